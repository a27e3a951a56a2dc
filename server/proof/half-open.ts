/** Connections whose bytes vanish without a word: nothing is lost, both sides find out by themselves, and nobody else notices. */
import assert from 'node:assert/strict'
import { ERROR } from '../../protocol/generated/registry.js'
import { Chatd } from './chatd.js'
import type { Findings } from './checker.js'
import { judge, placesFor, Population, summary, usersOf } from './population.js'
import { Proxy, type Swallow } from './proxy.js'
import { type Scope, until } from './scope.js'

/** Short, so that a dead peer is found while somebody waits; the sweep looks once a second. */
const SETTINGS = { CHATD_LIMITS_KEEP_ALIVE_MS: '1000', CHATD_LIMITS_PONG_TIMEOUT_MS: '1000', CHATD_LIMITS_CLOSE_TIMEOUT_MS: '500' }
const SILENCE_MS = 2500

const DIRECTIONS: readonly Swallow[] = [{ up: true, down: true }, { up: true, down: false }, { up: false, down: true }]

export interface HalfOpenOptions {
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

/** In each round all connections through two proxies go deaf in one direction or both, while everybody talks; every third client is beside them. */
export async function halfOpen(scope: Scope, { clients, rounds, seed }: HalfOpenOptions): Promise<Findings> {
  const places = placesFor(clients)
  const chatd = await Chatd.start(scope, usersOf(places), { settings: SETTINGS })
  const proxies = [await Proxy.open(chatd.tcp), await Proxy.open(chatd.ws)] as const
  scope.after(async () => { await Promise.all(proxies.map((proxy) => proxy.close())) })
  const urls = [proxies[0].url('tcp'), proxies[1].url('ws'), chatd.tcp]
  const population = new Population({ places, urls, seed, device: { silenceMs: SILENCE_MS } })
  scope.after(() => { population.stop() })
  await population.connect()
  population.talk()
  for (let round = 0; round < rounds; round++) {
    await population.untilAcked(50)
    const swallow = DIRECTIONS[round % DIRECTIONS.length]!
    const before = chatd.log.length
    const connects = population.devices.map((device) => device.connects)
    const deaf = proxies.reduce((sum, proxy) => sum + proxy.swallow(swallow), 0)
    // Those whose path is whole go on as if nothing were.
    await population.untilAcked(20)
    const through = population.devices.filter((_, at) => at % 3 !== 2)
    await until('the devices behind the proxies to find out', () => through.every((device) => device.connects > connects[population.devices.indexOf(device)]!))
    await population.untilOnline()
    const ends = (): Record<number, unknown>[] => chatd.log.slice(before).filter((line) => line.event === 'connection-ended')
    // The server lets go of each: by keep-alive, or because the device came back on another connection.
    await until('the server to let go of the dead connections', () => ends().length >= deaf)
    const by = (code: number): number => chatd.log.slice(before).filter((line) => line.event === 'connection-ended' && line['code'] === code).length
    scope.note(`${deaf} connections deaf ${describe(swallow)}: ${by(ERROR.keepAliveTimeout)} found by keep-alive, ${by(ERROR.replaced)} replaced, ${by(ERROR.closed)} cut`)
  }
  // Nobody comes back this time: keep-alive alone has to find them.
  population.fallSilent()
  const before = chatd.log.length
  const away = population.devices.filter((_, at) => at % 3 !== 2)
  proxies.forEach((proxy) => proxy.swallow({ up: true, down: true }))
  for (const device of away) device.stop()
  const codes = (): unknown[] => chatd.log.slice(before).filter((line) => line.event === 'connection-ended').map((line) => line['code'])
  await until(() => `${away.length} keep-alive timeouts; there are ${JSON.stringify(codes())}`, () => codes().length >= away.length)
  assert.deepEqual(new Set(codes()), new Set([ERROR.keepAliveTimeout]))
  // What is sent to them meanwhile waits.
  for (const device of population.devices.filter((_, at) => at % 3 === 2)) {
    for (const { options } of away.slice(0, 3)) device.send(options.user, `${device.options.user}/${device.options.device} to ${options.user}/${options.device} who is away`)
  }
  for (const device of away) device.start()
  await population.settle()
  const findings = await judge(population.logs, chatd.tcp, population.users)
  scope.note(`${rounds} rounds of half-open connections, ${clients} clients, ${away.length} dead peers found by keep-alive: ${summary(findings)}`)
  return findings
}

function describe({ up, down }: Swallow): string {
  return up && down ? 'in both directions' : up ? 'to the server' : 'to the client'
}
