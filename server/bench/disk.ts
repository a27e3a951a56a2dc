/** What a message takes on disk: while it waits in a queue as well, and when it has been delivered and the archive alone holds it. */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../testing/seeded-random.js'
import { closeAll, connectAll, names, prepare } from './load.js'
import { quiet } from './measure.js'
import type { Options } from './options.js'
import { ServerProcess } from './server-process.js'
import { drain, store, WINDOW } from './stages.js'
import type { Figures } from './statistics.js'

const PAIRS = 100
const MESSAGES = 200_000
/** Random letters: no compression gains what it would not gain with a language. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/'
const TEXT_CHARACTERS = 100
/** For cursors to be written, queues to be trimmed and files to be merged. */
const SETTLE_MS = 5000

export async function disk({ runs, size }: Options): Promise<Figures[]> {
  const total = size === 0 ? MESSAGES : Math.ceil(size / PAIRS) * PAIRS
  const figures: Figures[] = []
  for (let run = 0; run < runs; run++) figures.push(await once(total, run))
  return figures
}

async function once(total: number, run: number): Promise<Figures> {
  const users = names(1, 2 * PAIRS)
  const server = await ServerProcess.start(users)
  try {
    await prepare(server.port, users)
    const empty = await settledBytes(server)
    const random = seeded(run + 1)
    const senders = await connectAll(server.port, users.slice(0, PAIRS))
    const stored = await store(senders, users.slice(PAIRS), total, WINDOW, (id) => randomText(id, random))
    await closeAll(senders)
    const waiting = await settledBytes(server)
    const drained = await drain(server.port, users.slice(PAIRS), total)
    const kept = await settledBytes(server)
    return {
      bytesWaiting: (waiting - empty) / total, bytesKept: (kept - empty) / total,
      messages: total, lost: stored.acked - drained.got, doubled: drained.doubled,
    }
  } finally {
    await server.stop()
  }
}

/** Bytes of the data directory once a server has ended, come back and become quiet: then its log has become tables. */
async function settledBytes(server: ServerProcess): Promise<number> {
  await quiet(server.pid)
  await server.renew()
  await sleep(SETTLE_MS)
  await quiet(server.pid)
  return bytesBelow(server.directory)
}

function bytesBelow(directory: string): number {
  let bytes = 0
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found !== undefined) bytes += found.isDirectory() ? bytesBelow(path) : found.size
  }
  return bytes
}

function randomText(id: number, random: () => number): string {
  let text = String(id).padStart(8, '0')
  while (text.length < TEXT_CHARACTERS) text += LETTERS[Math.floor(random() * LETTERS.length)]!
  return text
}
