/** Shards in real processes, on real stores and sockets, one after the other of which is killed under load. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { slotOf } from '../../storage/slots.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { evenTable } from '../channels/federation.js'
import { LINK_LIMITS, systemLinkEnvironment } from '../link/link-environment.js'
import { dialLink } from '../link/link-sockets.js'
import { SILENT_LOG } from '../log.js'
import { ClusterRouter } from '../router/cluster-router.js'
import { OwnerRoutes } from '../router/owner-routes.js'
import { dialRouter } from '../router/remote-router.js'
import { ShardsRouter } from '../router/shards-router.js'
import { testIdentity } from '../testing/live-front.js'
import { TestDevice, tokenHash, VERIFIER } from '../testing/shard-harness.js'
import { shardAddress, shardNode } from '../testing/shard-process.js'
import { assertHeard, Talker } from '../testing/talker.js'

const SHARDS = 3
const PROGRAM = fileURLToPath(new URL('../testing/shard-process.js', import.meta.url))
/** Messages between two looks at what came. */
const MESSAGES = 20
/** Of a machine that has much else to do. */
const PATIENCE_MS = 60_000

class Processes {
  readonly directory: string
  readonly #children: (ChildProcess | undefined)[] = []

  constructor(t: TestContext) {
    this.directory = mkdtempSync(join(tmpdir(), 'chatd-shards-'))
    t.after(async () => {
      for (const shard of this.#children.keys()) await this.kill(shard)
      rmSync(this.directory, { recursive: true, force: true })
    })
  }

  async start(shard: number): Promise<void> {
    const child = this.#children[shard] = fork(PROGRAM, [JSON.stringify({ shard, shards: SHARDS, directory: this.directory })], { execArgv: [] })
    assert.deepEqual(await once(child, 'message'), ['ready', undefined])
  }

  async kill(shard: number): Promise<void> {
    const child = this.#children[shard]
    if (child === undefined) return
    this.#children[shard] = undefined
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Entries on their way from that shard to others. */
  async waiting(shard: number): Promise<number> {
    const child = this.#children[shard]!
    child.send('waiting')
    const [waiting] = await once(child, 'message') as [number]
    return waiting
  }
}

/** What a process has in front of them that takes clients. */
function routerOf(t: TestContext, directory: string): ShardsRouter {
  const environment = systemLinkEnvironment()
  const shared = { clock: SYSTEM_CLOCK, scheduler: environment.scheduler, log: SILENT_LOG, blobBytesMax: 1, ownerWaitMs: PATIENCE_MS }
  const routers = Array.from({ length: SHARDS }, (_, shard) => {
    const routes = new OwnerRoutes({
      ...shared, local: () => null, random: Math.random,
      dial: async (node) => dialRouter(await dialLink(shardAddress(directory, shard), null, LINK_LIMITS.openTimeoutMs), testIdentity('front'), node, environment, shard),
    })
    const router = new ClusterRouter({ ...shared, source: routes, hasBlobs: false })
    routes.follow({ kind: 'node', node: shardNode(shard), address: '' })
    t.after(() => {
      router.close()
      routes.close()
    })
    return router
  })
  return new ShardsRouter({ ...shared, routers, shardOf: evenTable(SHARDS) })
}

function userAt(shard: number, number: number): string {
  for (let at = 0; ; at++) {
    const name = `user${String(number)}x${String(at)}`
    if (evenTable(SHARDS)(slotOf(name)) === shard) return name
  }
}

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const startMs = performance.now()
  while (!await isSo()) {
    assert.ok(performance.now() - startMs < PATIENCE_MS, what)
    await delay(10)
  }
}

void test('processes with shards that are killed under load lose nothing, double nothing and keep the order', { timeout: 3 * PATIENCE_MS }, async (t) => {
  const processes = new Processes(t)
  for (let shard = 0; shard < SHARDS; shard++) await processes.start(shard)
  const router = routerOf(t, processes.directory)
  const users = Array.from({ length: 2 * SHARDS }, (_, number) => userAt(number % SHARDS, number))
  for (const user of users) await router.addUser(user, VERIFIER)
  const talkers = users.map((user) => new Talker(user, (before, cursor) => attach(router, user, before, cursor)))
  const look = (): void => { for (const talker of talkers) talker.look() }
  let said = 0
  const chat = async (): Promise<void> => {
    for (let count = 0; count < MESSAGES; count++) {
      const from = ++said % users.length
      talkers[from]!.say(users[(from + 1 + said % (users.length - 1)) % users.length]!, `number ${String(said)}`)
    }
    look()
    await turn()
  }
  look()
  for (let shard = 0; shard < SHARDS; shard++) {
    for (let turns = 0; turns < 10; turns++) await chat()
    assert.ok(!talkers.every(({ isContent }) => isContent), 'there is no load')
    const killed = processes.kill(shard)
    for (let turns = 0; turns < 10; turns++) await chat()
    await killed
    for (let turns = 0; turns < 10; turns++) await chat()
    await processes.start(shard)
  }
  const isContent = (): boolean => {
    look()
    return talkers.every((talker) => talker.isContent)
  }
  await until(isContent, 'something has no answer')
  for (let shard = 0; shard < SHARDS; shard++) await until(async () => await processes.waiting(shard) === 0, 'entries wait for ever')
  const accepted = (): number => talkers.reduce((sum, { accepted }) => sum + [...accepted.values()].reduce((of, each) => of + each.size, 0), 0)
  const came = (): number => talkers.reduce((sum, { came }) => sum + [...came.values()].reduce((of, each) => of + each.length, 0), 0)
  await until(() => isContent() && came() >= accepted(), 'something that was accepted does not come')
  assert.equal(accepted(), said)
  assertHeard(talkers)
  for (const talker of talkers) talker.leave()
})

async function attach(router: ShardsRouter, user: string, before: TestDevice | null, cursor: number): Promise<TestDevice> {
  const device = new TestDevice({ router, settle: () => turn() }, user, 'phone')
  const { queueEpoch, outboxEpoch } = before?.attached ?? { queueEpoch: 0, outboxEpoch: 0 }
  device.attached = await router.attach({
    user, device: 'phone', deviceName: '', queueEpoch, cursor, outboxEpoch, window: 0, usedTokenHash: null, freshTokenHash: tokenHash(1),
  }, device)
  router.start(device.attached.attachment)
  return device
}
