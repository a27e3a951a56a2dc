/**
 * Makes previews in a few processes of their own, so that neither a large picture nor one that was made to break a decoder is felt by
 * messages: not in the event loop, not in memory, not by a crash. Everything is bounded: processes, waiting pictures, bytes, time, memory.
 * Processes are started when there is work, and end when there was none for a while.
 */
import { asError } from '../../../protocol/as-error.js'
import { availableParallelism } from 'node:os'
import { Readable } from 'node:stream'
import type { Log } from '../../log.js'
import { SILENT_LOG } from '../../log.js'
import type { PictureJob } from './preview-frames.js'
import { PreviewProcess, ProcessEnded } from './preview-process.js'
import { NotLookedAt, type Preview, type PreviewRequest, type Previews } from './previews.js'

/** What became of a picture; a label of a metric. */
export type PreviewOutcome = 'made' | 'unsupported' | 'undecodable' | 'too-large' | 'busy' | 'unavailable' | 'source' | 'timeout' | 'memory' | 'crashed' | 'aborted' | 'closed'

/** What may be the picture's fault or not: the process was killed by a limit, by itself or by somebody else. */
const DIED: ReadonlySet<PreviewOutcome> = new Set(['crashed', 'memory', 'timeout'])
/** What says nothing about the picture. */
const NOT_LOOKED_AT: ReadonlySet<PreviewOutcome> = new Set(['busy', 'unavailable', 'source', 'closed'])

export interface PreviewPoolOptions {
  /** Processes at once, each with one picture. Default: half of the processors, 1 to 4. */
  readonly processesMax?: number
  /** Pictures that wait for a process; one more is refused at once. Their content is not read yet, so one costs little. */
  readonly waitingMax?: number
  /** A longer picture has no preview. */
  readonly inputBytesMax?: number
  /** Width by height; a picture with more is refused by its header. */
  readonly pixelsMax?: number
  /** For each step of a picture: to start its process, to read it, to make its preview. */
  readonly timeoutMs?: number
  /** Memory of a process. */
  readonly memoryBytesMax?: number
  /** After so many a process is replaced, so that whatever a library leaks or a picture has left in it ends. 1 parts all from each other. */
  readonly picturesPerProcessMax?: number
  /** After so long without work a process ends. */
  readonly idleMs?: number
  readonly log?: Log
  /** Called once for each picture, with the time from `make` until it was known. */
  readonly onOutcome?: (outcome: PreviewOutcome, durationMs: number) => void
  /** The compiled program of a process, for tests. */
  readonly program?: string
}

export const PREVIEW_DEFAULTS = {
  processesMax: Math.min(4, Math.max(1, Math.floor(availableParallelism() / 2))),
  waitingMax: 256,
  inputBytesMax: 16 * 1024 * 1024,
  pixelsMax: 50_000_000,
  timeoutMs: 10_000,
  memoryBytesMax: 1024 * 1024 * 1024,
  picturesPerProcessMax: 200,
  idleMs: 60_000,
} as const

/** What a process decodes. HEIC too where libvips can, which is known only after a look into the picture. */
const PREVIEWED_TYPES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif', 'image/heic'])
/** A cleaned picture may be longer than the original, if that was of poor quality; twice and a little is beyond what encoders do. */
const RENDITION_BYTES_EXTRA = 1024 * 1024
/** Where a process can't even start (no memory, no library), the next is not tried before. */
const START_RETRY_MS = 10_000

/** Whether a preview of this type can be asked for at all. */
function hasPreview(type: string): boolean {
  return PREVIEWED_TYPES.has(type)
}

interface Work {
  readonly request: PreviewRequest
  readonly startMs: number
  readonly signal: AbortSignal | undefined
  abort: () => void
  /** The one reading of the source, once it has begun. */
  source: AsyncIterator<Uint8Array> | null
  process: PreviewProcess | null
  isSettled: boolean
  readonly resolve: (preview: Preview | null) => void
  readonly reject: (reason: unknown) => void
}

export class PreviewPool implements Previews {
  readonly #options: Required<Omit<PreviewPoolOptions, 'program' | 'onOutcome'>> & Pick<PreviewPoolOptions, 'program' | 'onOutcome'>
  readonly #processes = new Set<PreviewProcess>()
  readonly #idle: PreviewProcess[] = []
  readonly #idleTimers = new Map<PreviewProcess, NodeJS.Timeout>()
  readonly #waiting = new Set<Work>()
  readonly #working = new Set<Work>()
  #isClosed = false
  /** One line for a run of refusals; the next is written when the pool has been empty in between. */
  #hasToldBusy = false
  #noStartBeforeMs = 0

  constructor(options: PreviewPoolOptions = {}) {
    this.#options = { ...PREVIEW_DEFAULTS, log: SILENT_LOG, ...options }
  }

  /** Process ids of the processes that are there, for operators and tests. */
  get pids(): number[] {
    return [...this.#processes].flatMap((process) => process.pid ?? [])
  }

  /** Pictures that wait for a process. */
  get waiting(): number { return this.#waiting.size }

  /** Pictures that a process looks at. */
  get working(): number { return this.#working.size }

  async make(request: PreviewRequest, signal?: AbortSignal): Promise<Preview | null> {
    return new Promise((resolve, reject) => {
      this.#take({ request, startMs: performance.now(), signal, abort: ignore, source: null, process: null, isSettled: false, resolve, reject })
    })
  }

  #take(work: Work): void {
    const { signal } = work
    const refusal = this.#refusal(work.request)
    if (signal?.aborted === true) this.#abort(work)
    else if (refusal !== null) this.#settle(work, refusal, null)
    else {
      work.abort = () => this.#abort(work)
      signal?.addEventListener('abort', work.abort, { once: true })
      this.#waiting.add(work)
      this.#assign()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const work of [...this.#waiting, ...this.#working]) this.#settle(work, 'closed', null)
    const processes = [...this.#processes]
    for (const process of processes) process.kill('closed')
    await Promise.all(processes.map(async (process) => process.ended))
  }

  #refusal({ type, size }: PreviewRequest): PreviewOutcome | null {
    if (this.#isClosed) return 'closed'
    if (!hasPreview(type)) return 'unsupported'
    if (size > this.#options.inputBytesMax) return 'too-large'
    if (!Number.isSafeInteger(size) || size < 1) return 'undecodable'
    if (this.#working.size < this.#options.processesMax || this.#waiting.size < this.#options.waitingMax) return null
    if (!this.#hasToldBusy) this.#options.log.warn({ waiting: this.#waiting.size }, 'preview-queue-full')
    this.#hasToldBusy = true
    return 'busy'
  }

  /** Gives waiting pictures to processes, as long as there are both. */
  #assign(): void {
    for (const work of this.#waiting) {
      if (this.#working.size >= this.#options.processesMax) return
      const process = this.#takeProcess()
      this.#waiting.delete(work)
      if (process === null) {
        this.#settle(work, 'unavailable', null)
        continue
      }
      work.process = process
      this.#working.add(work)
      void this.#run(work, process)
    }
    if (this.#working.size === 0) this.#hasToldBusy = false
  }

  #takeProcess(): PreviewProcess | null {
    for (let process = this.#idle.pop(); process !== undefined; process = this.#idle.pop()) {
      clearTimeout(this.#idleTimers.get(process))
      this.#idleTimers.delete(process)
      if (!process.isEnding) return process
    }
    return performance.now() < this.#noStartBeforeMs ? null : this.#startProcess()
  }

  #startProcess(): PreviewProcess | null {
    const { timeoutMs, memoryBytesMax, inputBytesMax, program } = this.#options
    let process: PreviewProcess
    try {
      process = new PreviewProcess({ timeoutMs, memoryBytesMax, program, renditionBytesMax: 2 * inputBytesMax + RENDITION_BYTES_EXTRA })
    } catch (error) {
      this.#noStartBeforeMs = performance.now() + START_RETRY_MS
      this.#options.log.warn({ error: asError(error) }, 'preview-process-not-started')
      return null
    }
    this.#processes.add(process)
    void process.ended.then((reason) => {
      this.#processes.delete(process)
      const at = this.#idle.indexOf(process)
      if (at !== -1) this.#idle.splice(at, 1)
      clearTimeout(this.#idleTimers.get(process))
      this.#idleTimers.delete(process)
      if (!process.isReady && (reason === 'crashed' || reason === 'timeout')) this.#noStartBeforeMs = performance.now() + START_RETRY_MS
      if (reason === 'crashed') this.#options.log.warn({ pictures: process.pictures, stderr: process.lastWords }, 'preview-process-ended')
    })
    return process
  }

  async #run(work: Work, process: PreviewProcess): Promise<void> {
    const { type, size, wants } = work.request
    const job: PictureJob = { type, size, wants, limits: { pixelsMax: this.#options.pixelsMax } }
    try {
      const answer = await process.work(job, () => work.source ??= work.request.source[Symbol.asyncIterator]())
      if (typeof answer === 'string') this.#settle(work, answer, null)
      else this.#settle(work, 'made', answer)
      this.#putBack(process)
    } catch (error) {
      this.#settle(work, outcomeOf(error), null)
    }
    // Only now, when the process is idle or gone, is its place free: there are never more than allowed.
    this.#working.delete(work)
    this.#assign()
  }

  #putBack(process: PreviewProcess): void {
    if (this.#isClosed || process.pictures >= this.#options.picturesPerProcessMax) process.kill('idle')
    else {
      this.#idle.push(process)
      this.#idleTimers.set(process, setTimeout(() => process.kill('idle'), this.#options.idleMs))
    }
  }

  /** Tells the caller, once. The source is given back whatever has been read of it. */
  #settle(work: Work, outcome: PreviewOutcome, preview: Preview | null): void {
    if (!this.#finish(work, outcome)) return
    const isUnknown = NOT_LOOKED_AT.has(outcome) || DIED.has(outcome)
    if (work.request.isNeeded === true && isUnknown) work.reject(new NotLookedAt(`a picture was not looked at: ${outcome}`, DIED.has(outcome)))
    else work.resolve(preview)
  }

  #abort(work: Work): void {
    if (!this.#finish(work, 'aborted')) return
    work.process?.kill('aborted')
    work.reject(work.signal?.reason)
  }

  #finish(work: Work, outcome: PreviewOutcome): boolean {
    if (work.isSettled) return false
    work.isSettled = true
    this.#waiting.delete(work)
    work.signal?.removeEventListener('abort', work.abort)
    if (outcome !== 'made') giveBack(work)
    this.#options.onOutcome?.(outcome, performance.now() - work.startMs)
    return true
  }
}

function outcomeOf(error: unknown): PreviewOutcome {
  if (!(error instanceof ProcessEnded)) return 'crashed'
  return error.reason === 'idle' ? 'crashed' : error.reason
}

/** Ends a source that was not read to its end, so that files are closed. It may hang or fail itself; nobody waits for it. */
function giveBack({ source, request }: Work): void {
  // A stream that nobody has begun to read doesn't hear of the end of its iterator.
  if (request.source instanceof Readable) request.source.destroy()
  else source?.return?.().catch(ignore)
}

function ignore(): void { /* it had failed already */ }
