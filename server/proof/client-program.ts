/**
 * A process of the killed-clients proof: a few reference clients with their storages in files. Each writes what it does to a log file,
 * line by line, before it goes on, so that SIGKILL leaves what was true. Its orders come over the IPC channel: `{ talk: true | false }`.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Client, fileStorage } from '../../protocol/client/node.js'
import { type DeviceEvent, now } from './record.js'

export interface ClientTask {
  readonly url: string
  readonly user: string
  readonly device: string
  readonly storage: string
  readonly log: string
  readonly contacts: readonly string[]
}

/** What a process says of itself, whenever it changes. */
export interface ClientReport {
  /** Messages and marks without an answer in all its clients, and clients that are not online. */
  readonly waiting: number
}

const PAUSE_MS = 60
const IN_FLIGHT = 3
const REPORT_MS = 50

/** The events in a log file. A line that the kill cut off was never acted upon. */
export function readLog(path: string): DeviceEvent[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.flatMap((line) => line.endsWith('}') ? [JSON.parse(line) as DeviceEvent] : [])
}

class Talker {
  readonly #task: ClientTask
  readonly #file: number
  readonly #client: Client
  /** What each message said, by its handle. */
  readonly #texts = new Map<number, { to: string, text: string }>()
  #sent = 0
  #life = 0
  #isTalking = false
  #unanswered = 0

  constructor(task: ClientTask) {
    this.#task = task
    for (const event of readLog(task.log)) {
      if (event.kind === 'start') this.#life++
      if (event.kind === 'send') this.#sent++
    }
    // A line that was cut off must not swallow the next one.
    this.#file = openSync(task.log, 'a', 0o600)
    writeSync(this.#file, '\n')
    this.#write({ kind: 'start', at: now() })
    const { url, user, device, storage } = task
    this.#client = new Client({ server: url, user, password: `pw-${user}`, device, storage: fileStorage(storage) })
  }

  get waiting(): number {
    return this.#client.outbox().length + this.#unanswered + (this.#client.state === 'online' ? 0 : 1)
  }

  async run(): Promise<void> {
    const client = this.#client
    client.on('message', (message) => {
      const { conversation, from, seq, index, timeMs, text, own } = message
      this.#write({ kind: 'message', at: now(), conversation, from, seq, index, timeMs, text })
      if (own || seq % 5 !== 0) return
      this.#write({ kind: 'read', at: now(), conversation, seq })
      client.markRead(conversation, seq).catch(() => { /* it stays in the outbox */ })
    })
    client.on('sent', ({ handle, kind, to, seq, timeMs }) => {
      const known = this.#texts.get(handle)
      if (kind === 'message' && known !== undefined) this.#write({ kind: 'ack', at: now(), to, text: known.text, seq, timeMs })
      if (kind === 'message') this.#next()
    })
    client.on('refused', ({ error }) => { this.#write({ kind: 'broken', at: now(), what: `refused: ${error.message}` }) })
    client.on('receipt', ({ conversation, member, mark, seq }) => { this.#write({ kind: 'told', at: now(), conversation, member, mark, seq }) })
    client.on('tooOld', () => { this.#write({ kind: 'broken', at: now(), what: 'told too old' }) })
    client.on('error', (error) => { this.#write({ kind: 'broken', at: now(), what: `stopped: ${error.message}` }) })
    await client.connect()
    for (const { handle, to, text, kind } of client.outbox()) if (kind === 'message') this.#texts.set(handle, { to, text })
  }

  talk(isTalking: boolean): void {
    if (isTalking && !this.#isTalking) for (let count = 0; count < IN_FLIGHT; count++) this.#next(true)
    this.#isTalking = isTalking
  }

  #next(isFirst = false): void {
    setTimeout(() => { if (this.#isTalking || isFirst) void this.#send() }, Math.random() * PAUSE_MS)
  }

  async #send(): Promise<void> {
    const { user, device, contacts } = this.#task
    const to = contacts[Math.floor(Math.random() * contacts.length)]!
    const text = `${user}/${device}#${++this.#sent}.${this.#life}`
    this.#write({ kind: 'send', at: now(), to, text })
    this.#unanswered++
    try {
      const handle = await this.#client.enqueue(to, text)
      this.#texts.set(handle, { to, text })
      this.#write({ kind: 'queued', at: now(), handle, text })
    } finally {
      this.#unanswered--
    }
  }

  #write(event: DeviceEvent): void {
    writeSync(this.#file, `${JSON.stringify(event)}\n`)
  }

  close(): void { closeSync(this.#file) }
}

async function main(tasks: readonly ClientTask[]): Promise<void> {
  const talkers = tasks.map((task) => new Talker(task))
  process.on('message', ({ talk }: { talk: boolean }) => { for (const talker of talkers) talker.talk(talk) })
  // Whoever started it is gone: so is the work.
  process.on('disconnect', () => { process.exit(0) })
  setInterval(() => process.send?.({ waiting: talkers.reduce((sum, talker) => sum + talker.waiting, 0) } satisfies ClientReport), REPORT_MS)
  await Promise.all(talkers.map((talker) => talker.run()))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(JSON.parse(process.argv[2] ?? '[]') as ClientTask[])
