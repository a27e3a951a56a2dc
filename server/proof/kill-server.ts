/** SIGKILL to the server under load, again and again, at moments that nobody chose. */
import { Chatd } from './chatd.js'
import type { Findings } from './checker.js'
import { judge, placesFor, Population, summary, usersOf } from './population.js'
import { delay, type Scope } from './scope.js'

export interface KillServerOptions {
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

/** Acks that show that a round is under load. */
const ACKS_A_ROUND = 250

/**
 * Half of the clients come over TCP, half over WebSocket. In three rounds of four the server is killed in full work, in the fourth
 * while its clients come back.
 */
export async function killServer(scope: Scope, { clients, rounds, seed }: KillServerOptions): Promise<Findings> {
  const places = placesFor(clients)
  const chatd = await Chatd.start(scope, usersOf(places))
  const population = new Population({ places, urls: [chatd.tcp, chatd.ws], seed })
  scope.after(() => { population.stop() })
  await population.connect()
  population.talk()
  for (let round = 1; round <= rounds; round++) {
    if (round % 4 !== 0) await population.untilAcked(ACKS_A_ROUND)
    await delay(population.random() * 50)
    await chatd.kill()
    const { acks } = population
    // What the clients write meanwhile goes nowhere.
    await delay(population.random() * 100)
    await chatd.restart()
    scope.note(`killed for the ${round}. time after ${acks} acks`)
  }
  await population.untilAcked(ACKS_A_ROUND)
  await population.settle()
  const findings = await judge(population.logs, chatd.tcp, population.users)
  scope.note(`${rounds} kills of the server, ${clients} clients: ${summary(findings)}`)
  return findings
}
