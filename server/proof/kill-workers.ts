/** SIGKILL to one process of a server of several shards under load, again and again, at moments that nobody chose; the others go on. */
import { Chatd } from './chatd.js'
import type { Findings } from './checker.js'
import { judge, placesFor, Population, summary, usersOf } from './population.js'
import { delay, type Scope, until } from './scope.js'

export interface KillWorkersOptions {
  readonly shards: number
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

/** Acks that show that a round is under load, and while a shard is away that the others serve. */
const ACKS_A_ROUND = 250

export async function killWorkers(scope: Scope, { shards, clients, rounds, seed }: KillWorkersOptions): Promise<Findings> {
  const places = placesFor(clients)
  const chatd = await Chatd.start(scope, usersOf(places), { settings: { CHATD_DATA_SHARDS: String(shards) } })
  const population = new Population({ places, urls: [chatd.tcp, chatd.ws], seed })
  scope.after(() => { population.stop() })
  await population.connect()
  population.talk()
  for (let round = 1; round <= rounds; round++) {
    await population.untilAcked(ACKS_A_ROUND)
    await delay(population.random() * 50)
    const worker = `shard-${Math.floor(population.random() * shards)}`
    await killWorker(chatd, worker)
    const { acks } = population
    // In one round of three it comes back before anything else is waited for, and is killed once more.
    if (round % 3 === 0) await killWorker(chatd, worker)
    scope.note(`killed ${worker} for the ${round}. time after ${acks} acks`)
  }
  await population.untilAcked(ACKS_A_ROUND)
  await population.settle()
  const findings = await judge(population.logs, chatd.tcp, population.users)
  scope.note(`${rounds} kills of workers, ${shards} shards, ${clients} clients: ${summary(findings)}`)
  return findings
}

/** Resolves when it is there again. */
async function killWorker(chatd: Chatd, worker: string): Promise<void> {
  const starts = (): number[] => chatd.linesOf('worker-started').filter((line) => line['worker'] === worker).map((line) => Number(line['workerPid']))
  const before = starts()
  process.kill(before.at(-1)!, 'SIGKILL')
  await until(`${worker} to be started again`, () => starts().length > before.length)
}
