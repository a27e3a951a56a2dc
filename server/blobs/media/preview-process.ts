/** One preview process as the server sees it: started with next to nothing, watched, and killed rather than asked. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ByteReader, encodeHeader, FrameError, type PictureFault, type PictureJob, readAnswer } from './preview-frames.js'
import type { Preview } from './previews.js'

/** Why a process ended. The first reason counts; `crashed` is any end that nobody here wanted. */
export type ProcessEnd = 'crashed' | 'timeout' | 'memory' | 'source' | 'aborted' | 'idle' | 'closed'

/** Thrown by `work` when the process ended before it had answered. */
export class ProcessEnded extends Error {
  readonly reason: ProcessEnd

  constructor(reason: ProcessEnd) {
    super(`the preview process ended: ${reason}`)
    this.reason = reason
  }
}

export interface ProcessOptions {
  /** For each step: to start, to take the picture in, to answer. */
  readonly timeoutMs: number
  readonly memoryBytesMax: number
  readonly renditionBytesMax: number
  /** The compiled program to run in place of ours. */
  readonly program?: string | undefined
}

const PROGRAM = fileURLToPath(new URL('preview-program.js', import.meta.url))
/** JavaScript itself holds little: pictures lie outside of its heap. */
const NODE_ARGUMENTS = ['--max-old-space-size=64']
const SHELL = '/bin/sh'
const MEMORY_CHECK_MS = 200
const STDERR_TAIL_LENGTH = 1000

export class PreviewProcess {
  readonly #child: ChildProcess
  readonly #stdin: Writable
  readonly #answers: ByteReader
  readonly #options: ProcessOptions
  readonly #ended: Promise<ProcessEnd>
  #reason: ProcessEnd | null = null
  #failWork: (reason: ProcessEnded) => void = ignore
  #isReady = false
  #stderrTail = ''
  /** Pictures it has looked at. */
  pictures = 0

  /** Throws where the system gives no process: no memory, no descriptors. */
  constructor(options: ProcessOptions) {
    this.#options = options
    const child = start(options)
    this.#child = child
    this.#stdin = child.stdin!
    this.#answers = new ByteReader(child.stdout!)
    // The end of the process is told by `close`; that of its pipes tells nothing more.
    for (const pipe of [child.stdin!, child.stdout!, child.stderr!]) pipe.on('error', ignore)
    child.stderr!.setEncoding('utf8').on('data', (text: string) => { this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_LENGTH) })
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#reason ??= 'crashed'
        this.#failWork(new ProcessEnded(this.#reason))
        resolve(this.#reason)
      }
      // A process that could not be started has no `close`; one that has ended has it when its pipes are read or given up.
      child.once('error', end).once('close', end).once('exit', () => {
        this.#stdin.destroy()
        child.stdout!.destroy()
      })
    })
  }

  get pid(): number | undefined { return this.#child.pid }

  /** Whether it has ever come as far as to take pictures. */
  get isReady(): boolean { return this.#isReady }

  /** The last it had to say; null where it ended as it was told to. */
  get lastWords(): string | null { return this.#reason === 'crashed' ? this.#stderrTail.trim() : null }

  /** Resolves with the reason when the process is gone. */
  get ended(): Promise<ProcessEnd> { return this.#ended }

  get isEnding(): boolean { return this.#reason !== null }

  /** At once, whatever it does. */
  kill(reason: ProcessEnd): void {
    this.#reason ??= reason
    this.#child.kill('SIGKILL')
  }

  /**
   * Hands it a picture and waits for the answer. Rejects with a ProcessEnded, and in no other way: whatever goes wrong, the process is
   * gone, so that no picture meets what another has left. One at a time.
   */
  async work(job: PictureJob, open: () => AsyncIterator<Uint8Array>): Promise<Preview | PictureFault> {
    // Of each picture's own: what is raced against a promise is kept as long as that promise, and the process lives for many pictures.
    const ended = new Promise<never>((_, reject) => { this.#failWork = reject })
    ended.catch(ignore)
    const watch = new Watch(this, this.#options)
    try {
      if (!this.#isReady) await Promise.race([this.#becomeReady(), ended])
      watch.nextStep()
      await Promise.race([this.#send(job, open), ended])
      watch.nextStep()
      const answer = await Promise.race([readAnswer(this.#answers, job, this.#options.renditionBytesMax), ended])
      this.pictures++
      return answer
    } catch (error) {
      this.kill(error instanceof SourceError ? 'source' : 'crashed')
      if (error instanceof FrameError) this.#stderrTail += `\n${error.message}`
      throw new ProcessEnded(await this.#ended)
    } finally {
      this.#failWork = ignore
      watch.stop()
    }
  }

  async #becomeReady(): Promise<void> {
    const header = await this.#answers.header()
    if (typeof header !== 'object' || header === null || !('ready' in header)) throw new FrameError('it did not say that it is ready')
    this.#isReady = true
  }

  /** Once the process ends nobody waits for this, and a source that hangs is left where it is. */
  async #send(job: PictureJob, open: () => AsyncIterator<Uint8Array>): Promise<void> {
    const source = opened(open)
    this.#stdin.write(encodeHeader(job))
    let left = job.size
    for (let next = await nextOf(source); next.done !== true; next = await nextOf(source)) {
      if (this.isEnding) return
      left -= next.value.length
      if (left < 0) throw new SourceError('it is longer than said')
      if (!this.#stdin.write(next.value)) await drained(this.#stdin)
    }
    if (left > 0) throw new SourceError('it is shorter than said')
  }
}

class SourceError extends Error {}

/** What others wrote fails as a SourceError, whichever way it fails. */
async function nextOf(source: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array, unknown>> {
  try {
    return await source.next()
  } catch (cause) {
    throw new SourceError('it failed', { cause })
  }
}

function opened(open: () => AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array> {
  try {
    return open()
  } catch (cause) {
    throw new SourceError('it failed', { cause })
  }
}

/** The limits that only somebody else can keep for a process: time by step, and memory. */
class Watch {
  readonly #process: PreviewProcess
  readonly #options: ProcessOptions
  readonly #memory: NodeJS.Timeout
  #time: NodeJS.Timeout

  constructor(process: PreviewProcess, options: ProcessOptions) {
    this.#process = process
    this.#options = options
    this.#time = this.#startTime()
    // The system's own limit ends it sooner; this is for where there is none.
    this.#memory = setInterval(() => void this.#checkMemory(), MEMORY_CHECK_MS)
  }

  nextStep(): void {
    clearTimeout(this.#time)
    this.#time = this.#startTime()
  }

  stop(): void {
    clearTimeout(this.#time)
    clearInterval(this.#memory)
  }

  #startTime(): NodeJS.Timeout {
    return setTimeout(() => this.#process.kill('timeout'), this.#options.timeoutMs)
  }

  async #checkMemory(): Promise<void> {
    const bytes = await residentBytes(this.#process.pid)
    if (bytes !== null && bytes > this.#options.memoryBytesMax) this.#process.kill('memory')
  }
}

/** Memory that a process holds now; null where the system doesn't say. */
async function residentBytes(pid: number | undefined): Promise<number | null> {
  if (process.platform !== 'linux' || pid === undefined) return null
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${String(pid)}/status`, 'latin1'))
    return found === null ? null : Number(found[1]) * 1024
  } catch {
    return null // it is gone
  }
}

/** What V8 sets aside as private memory and does not touch: 520 MiB more in Node 24 than in 20 and 22. */
export const RESERVED_BYTES = Number(process.versions.node.split('.')[0]) >= 24 ? 520 * 1024 * 1024 : 0

/**
 * On Linux the limit for private memory (RLIMIT_DATA) holds for the process; the one for address space would not do, since V8 reserves far
 * more than it uses. No core dumps: they would put pictures of people on disk. The shell only sets these and becomes the program.
 */
function start({ memoryBytesMax, program }: ProcessOptions): ChildProcess {
  const command = [process.execPath, ...NODE_ARGUMENTS, program ?? PROGRAM]
  const limits = `ulimit -c 0; ulimit -d ${String(Math.ceil((memoryBytesMax + RESERVED_BYTES) / 1024))} 2>/dev/null; exec "$@"`
  const [file, ...args] = process.platform === 'linux' && existsSync(SHELL) ? [SHELL, '-c', limits, 'preview', ...command] : command
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/', env: environment() })
  child.on('error', ignore) // who waits for it hears of it by its end
  // Without a descriptor left there is neither a process nor a pipe.
  if (child.stdin === null || child.stdin === undefined) throw new Error('a preview process could not be given pipes')
  return child
}

/** Nothing of the server's environment but where the dynamic linker looks: there may be secrets in it. */
function environment(): NodeJS.ProcessEnv {
  const linker = process.env['LD_LIBRARY_PATH']
  return {
    ...(linker === undefined ? {} : { LD_LIBRARY_PATH: linker }),
    VIPS_BLOCK_UNTRUSTED: '1', // what libvips itself doesn't trust with content from anywhere
    // Large pictures would go to the disk as they are (libvips: from 100 MB of pixels on); they have the memory of the process, or no preview.
    VIPS_DISC_THRESHOLD: String(Number.MAX_SAFE_INTEGER),
    TMPDIR: '/dev/null', // whoever wants to write one all the same can't
    UV_THREADPOOL_SIZE: '2',
    MALLOC_ARENA_MAX: '2', // less memory kept back by the allocator
  }
}

async function drained(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain) return
  await new Promise<void>((resolve) => void stream.once('drain', resolve))
}

function ignore(): void { /* told elsewhere */ }
