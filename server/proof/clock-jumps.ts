/** The machine's clock is set, far and in both directions, while everybody talks. */
import assert from 'node:assert/strict'
import { Client, memoryStorage } from '../../protocol/client/node.js'
import type { Clock } from '../clock.js'
import type { Findings } from './checker.js'
import { InProcess } from './in-process.js'
import { judge, placesFor, Population, summary, usersOf } from './population.js'
import { type Scope, until } from './scope.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** One by one; in sum it ends in the past. Tokens (90 days) and queues (30 days) do not expire by them. */
const JUMPS_MS = [HOUR_MS, -3 * HOUR_MS, 10 * DAY_MS, -25 * DAY_MS, 5 * DAY_MS, -20 * DAY_MS]

class JumpingClock implements Clock {
  offsetMs = 0
  nowMs(): number { return Date.now() + this.offsetMs }
  monotonicMs(): number { return performance.now() }
}

export interface ClockJumpsOptions {
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

/** In each round the clock jumps and half of the devices come back; in every third one the server is started anew. */
export async function clockJumps(scope: Scope, { clients, rounds, seed }: ClockJumpsOptions): Promise<Findings> {
  const places = placesFor(clients)
  const clock = new JumpingClock()
  const server = await InProcess.start(scope, usersOf(places), { clock })
  const population = new Population({ places, urls: [server.tcp, server.ws], seed })
  scope.after(() => { population.stop() })
  await population.connect()
  population.talk()
  for (let round = 0; round < rounds; round++) {
    await population.untilAcked(40)
    clock.offsetMs += JUMPS_MS[round % JUMPS_MS.length]!
    await population.untilAcked(20)
    population.devices.forEach((device, at) => {
      if (at % 2 === 0) return
      device.stop()
      device.start()
    })
    if (round % 3 === 2) {
      await server.stop()
      await server.restart()
    }
    await population.untilOnline()
  }
  await population.settle()
  const findings = await judge(population.logs, server.tcp, population.users)
  assert.deepEqual(server.log.filter((line) => line.level === 'error'), [])
  scope.note(`${rounds} jumps of the clock: ${summary(findings)}`)
  return findings
}

/** The clock jumps so far that a device counts as gone: it is told too old, or its token has expired, and it still gets everything. */
export async function clockJumpsTooFar(scope: Scope): Promise<void> {
  const clock = new JumpingClock()
  const server = await InProcess.start(scope, ['alice', 'bob'], { clock })
  const client = (user: string): Client => new Client({ server: server.tcp, user, password: `pw-${user}`, device: 'phone', storage: storages[user]! })
  const storages = { alice: memoryStorage(), bob: memoryStorage() } as Record<string, ReturnType<typeof memoryStorage>>
  const received: string[] = []
  const receive = async (expected: number): Promise<void> => {
    const bob = client('bob')
    bob.on('message', ({ text }) => { received.push(text) })
    await bob.connect()
    await until(() => `${expected} messages; there are ${received.length}`, () => received.length >= expected)
    await bob.close()
  }
  const sent: string[] = []
  for (const days of [0, 400, -800, 4000]) {
    clock.offsetMs += days * DAY_MS
    const alice = client('alice')
    await alice.connect()
    for (let count = 0; count < 20; count++) {
      sent.push(`${days} days, ${count}`)
      await alice.send('bob', sent.at(-1)!)
    }
    await alice.close()
    await receive(sent.length)
  }
  assert.deepEqual(received, sent)
  scope.note(`jumps of 400, -800 and 4,000 days: ${sent.length} messages, each received once and in order`)
}
