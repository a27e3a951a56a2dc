/**
 * The program of a preview process: takes pictures from its stdin, one at a time, and writes what it made of them to its stdout. It is
 * started by `PreviewPool`, knows no file, no name and no secret, and may be killed at any time.
 */
import { constants } from 'node:os'
import { leaveSignalsToTheServer, yieldToTheServer } from '../polite-process.js'
import { lookAt } from './picture.js'
import { ByteReader, encodeAnswer, encodeHeader, type PictureJob } from './preview-frames.js'

/** How often it is looked whether the server is still there. */
const PARENT_CHECK_MS = 1000

yieldToTheServer(constants.priority.PRIORITY_BELOW_NORMAL, 1000)
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

/** When to end is the server's to say. If it is gone, nobody else ends this. */
function endWithTheServer(): void {
  leaveSignalsToTheServer()
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) end()
  }, PARENT_CHECK_MS).unref()
}

/** An orderly exit would wait for a thread that decodes. */
function end(): void {
  process.kill(process.pid, 'SIGKILL')
}
