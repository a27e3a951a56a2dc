/**
 * The program of a preview process: takes pictures from its stdin, one at a time, and writes what it made of them to its stdout. It is
 * started by `PreviewPool`, knows no file, no name and no secret, and may be killed at any time.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { lookAt } from './picture.js'
import { ByteReader, encodeAnswer, encodeHeader, type PictureJob } from './preview-frames.js'

/** How often it is looked whether the server is still there. */
const PARENT_CHECK_MS = 1000

yieldToTheServer()
endWithTheServer()
process.stdout.write(encodeHeader({ ready: true }))
await serve()
end()

async function serve(): Promise<void> {
  const reader = new ByteReader(process.stdin)
  for (;;) {
    const job = await reader.header() as PictureJob | null
    if (job === null) return
    const picture = await reader.bytes(job.size)
    if (picture === null) return
    const answer = await lookAt(picture, job)
    for (const piece of encodeAnswer(answer)) await write(piece)
  }
}

async function write(bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (error instanceof Error) reject(error)
      else resolve()
    })
  })
}

/** Messages go first: for the processor, and for memory when the kernel has to end somebody. */
function yieldToTheServer(): void {
  try {
    // On Linux a priority belongs to a thread. Those that are there get it here, later ones have it from who starts them.
    const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [0]
    for (const thread of threads) setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL)
    if (process.platform === 'linux') writeFileSync('/proc/self/oom_score_adj', '1000')
  } catch { /* a system that doesn't know it or forbids it: everything works, only less politely */ }
}

/** Ctrl-C and a service manager signal the whole group; when to end is the server's to say. If it is gone, nobody else ends this. */
function endWithTheServer(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { /* the server decides */ })
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) end()
  }, PARENT_CHECK_MS).unref()
}

/** An orderly exit would wait for a thread that decodes. */
function end(): void {
  process.kill(process.pid, 'SIGKILL')
}
