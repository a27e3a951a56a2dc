/**
 * The program of the process of blobs: takes connections from the server by its message channel and does all that is done with bytes, so
 * that the server's event loop carries messages alone. What it has to know of users and blobs it asks the server.
 */
import type { Socket } from 'node:net'
import { SYSTEM_CLOCK } from '../../clock.js'
import type { Config } from '../../config/settings.js'
import { stopReading } from '../../listeners/first-request.js'
import type { Log, LogFields } from '../../log.js'
import { Counters } from '../../metrics/metrics.js'
import { endAtOnce } from '../../process/end-at-once.js'
import { BlobSide } from '../blob-side.js'
import { openBlobStorage } from '../blob-storage.js'
import { leaveSignalsToTheServer, yieldToTheServer } from '../polite-process.js'
import { Calls, sentError } from './calls.js'
import { CountWatch } from './counts.js'
import type { FromProcess, SentField, ToProcess } from './messages.js'
import { RemoteCommands } from './remote-commands.js'

const COUNTS_MS = 100
/** Between that of the server and that of its previews, when memory is short. */
const OOM_SCORE = 500
const LEVELS = ['debug', 'info', 'warn', 'error'] as const

leaveSignalsToTheServer()
// Whatever ended the server, nobody is left to work for.
process.on('disconnect', () => endAtOnce())

type Taker = (message: ToProcess, socket?: Socket) => void

let taker: Promise<Taker> | null = null
// One listener for all of them: of several messages that come at once node drops those behind the one at which a listener leaves.
process.on('message', (message: ToProcess, socket?: Socket) => {
  if (taker !== null) void taker.then((take) => { take(message, socket) })
  else if (message.kind === 'start') taker = start(message.config, message.key)
  else throw new Error(`${message.kind} came before the start`)
})

/** Resolves with what takes the messages behind the first. */
async function start(config: Config, key: Uint8Array): Promise<Taker> {
  yieldToTheServer(config.blobs.nice, OOM_SCORE)
  const log = remoteLog(config.log.level)
  try {
    const take = serve(config, key, log, await openBlobStorage(config, process.env, log))
    send({ kind: 'ready' })
    return take
  } catch (error) {
    send({ kind: 'not-ready', error: sentError(error) })
    return () => { /* the server ends us */ }
  }
}

function serve(config: Config, key: Uint8Array, log: Log, storage: Awaited<ReturnType<typeof openBlobStorage>>): Taker {
  const counters = new Counters()
  const calls: Calls = new Calls(send, {
    whatBecame: (user: string, uploadId: string) => side.uploads.whatBecame(user, uploadId),
    eraseStaged: (uploadId: string) => storage.eraser.eraseStaged(uploadId),
    close: async (graceMs: number) => {
      await side.close(graceMs)
      tellCounts()
    },
  })
  const side = new BlobSide({ config, clock: SYSTEM_CLOCK, log, counters, secret: { key, iterations: 0 }, storage, commands: new RemoteCommands(calls) })
  const watch = new CountWatch(counters)
  let promised = 0
  let arrived = 0
  const tellCounts = (): void => {
    const changes = watch.changes()
    if (changes === null && promised === storage.room.promised) return
    promised = storage.room.promised
    send({ kind: 'counts', changes: changes ?? {}, promised })
  }
  setInterval(tellCounts, COUNTS_MS).unref()
  return (message, socket) => {
    switch (message.kind) {
      case 'connection':
        arrived = message.id
        if (socket === undefined) send({ kind: 'closed', id: message.id })
        else accept(side, message, socket)
        return
      case 'sent':
        if (arrived !== message.id) send({ kind: 'closed', id: message.id })
        send({ kind: 'taken', id: message.id })
        return
      case 'call': case 'result': case 'failure':
        calls.received(message)
        return
      case 'forgotten':
        side.forgotten(message.objects)
        return
      case 'start': throw new Error('it has started')
    }
  }
}

function accept(side: BlobSide, { id, head, address, isStandIn }: Extract<ToProcess, { kind: 'connection' }>, socket: Socket): void {
  side.server.accept({
    socket, head, address,
    closed: () => { send({ kind: 'closed', id }) },
    leftOver: (bytes) => {
      if (isStandIn) leave(id, socket, bytes)
      else {
        send({ kind: 'left-over', id, head: Buffer.concat([bytes, stopReading(socket)]) }, socket)
        send({ kind: 'closed', id })
      }
    },
  })
}

/** Gives back all that comes of a stand-in until the server, which is told, ends it. */
function leave(id: number, socket: Socket, head: Uint8Array): void {
  const bytes = [head]
  socket.on('data', (chunk: Buffer) => { bytes.push(chunk) })
  socket.once('end', () => {
    send({ kind: 'left-over', id, head: Buffer.concat(bytes) })
    socket.destroy()
  })
  socket.once('close', () => { send({ kind: 'closed', id }) })
  send({ kind: 'leaving', id })
  socket.resume()
}

function send(message: FromProcess, socket?: Socket): void {
  // The server may be gone: then so are we.
  if (process.connected) process.send?.(message, socket, undefined, () => { /* told by disconnect */ })
}

function remoteLog(level: string): Log {
  const lowest = level === 'trace' ? 0 : LEVELS.findIndex((name) => name === level)
  const logs = LEVELS.map((name, at) => lowest < 0 || at < lowest ? () => { /* nobody wants it */ } : (fields: LogFields, event: string): void => {
    send({ kind: 'log', level: name, fields: Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, sentField(value)])), event })
  })
  return { debug: logs[0]!, info: logs[1]!, warn: logs[2]!, error: logs[3]! }
}

function sentField(value: LogFields[string]): SentField {
  return value instanceof Error ? { error: sentError(value) } : value
}
