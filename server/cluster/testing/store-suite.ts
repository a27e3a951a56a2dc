/** What every ClusterStore promises, as tests; the model that simulations use and Redis run the same. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { AcquireRequest, ClusterStore, LogEntry, NameClaim, NodeBeat } from '../cluster-store.js'
import { BEGINNING, type Position } from '../position.js'
import { NO_MEMBERS, type Membership } from '../shard-rows.js'

export interface StoreForTest {
  readonly store: ClusterStore
  /** Lets time pass at the store. */
  pass(ms: number): Promise<void>
  /** Another life of the store, with the same data. */
  newLife(): Promise<void>
}

export type OpenStore = (t: TestContext) => Promise<StoreForTest>

const LINEAGE = 'aaaaaaaaaaaaaaaa'
const LEASE_MS = 400

export function token(digit: string): string {
  return digit.repeat(16)
}

export function claim(node: string, change: Partial<AcquireRequest> = {}): AcquireRequest {
  return {
    node, address: `${node}.example:1`, token: token('1'), lineage: LINEAGE, leaseMs: LEASE_MS, position: BEGINNING, epoch: 0, claim: 'found',
    membership: NO_MEMBERS, ...change,
  }
}

export function entry(position: Position, previousToken: string, text = 'x'): LogEntry {
  return { position, previousToken, bytes: Buffer.from(text) }
}

function shown(node: string, change: Partial<NodeBeat & NameClaim> = {}): NodeBeat & NameClaim {
  return { node, address: 'x:1', version: '1', life: token(node.slice(1)), lifeMs: LEASE_MS, instead: '', ...change }
}

const at = (epoch: number, number: number, digit: string): Position => ({ epoch, number, token: token(digit) })

/** Founded by n1 under token 1, with an entry, whole, n1 and n2 members. */
async function founded({ store }: StoreForTest): Promise<void> {
  const acquired = await store.acquire(claim('n1'))
  assert.ok(acquired.kind === 'acquired' && acquired.epoch === 1 && acquired.last === null)
  assert.deepEqual(await store.append({ token: token('1'), previous: BEGINNING, entry: entry(at(1, 1, '1'), BEGINNING.token) }), { kind: 'appended' })
  const renewed = await store.renew({ token: token('1'), leaseMs: LEASE_MS, complete: at(1, 1, '1'), incarnation: acquired.incarnation, members: ['n1', 'n2'], number: 2 })
  assert.ok(renewed.kind === 'renewed' && renewed.isWhole)
}

export function storeSuite(name: string, open: OpenStore): void {
  describe(`${name}: lease and fence`, () => { leases(open) })
  describe(`${name}: changelog`, () => { changelog(open) })
  describe(`${name}: in doubt`, () => { doubt(open) })
}

function leases(open: OpenStore): void {
  test('an empty store shows nothing, and is founded once', async (t) => {
    const { store } = await open(t)
    const view = await store.look(token('9'))
    assert.deepEqual([view.lineage, view.epoch, view.last, view.leaseMs, view.isWhole], [null, 0, null, null, false])
    assert.equal((await store.acquire(claim('n1'))).kind, 'acquired')
    assert.equal((await store.acquire(claim('n2', { token: token('2') }))).kind, 'held')
    // The same attempt once more, whose answer was lost.
    const again = await store.acquire(claim('n1'))
    assert.ok(again.kind === 'acquired' && again.epoch === 1)
  })

  test('a lease ends unless it is renewed, and then a member takes the shard under the next epoch', async (t) => {
    const opened = await open(t)
    const { store, pass } = opened
    await founded(opened)
    const take = claim('n2', { claim: 'take', token: token('2') })
    assert.equal((await store.acquire(take)).kind, 'held')
    await pass(LEASE_MS * 0.6)
    assert.equal((await store.renew({ token: token('1'), leaseMs: LEASE_MS, complete: null, incarnation: '', members: ['n1', 'n2'], number: 3 })).kind, 'renewed')
    await pass(LEASE_MS * 0.6)
    assert.equal((await store.acquire(take)).kind, 'held')
    await pass(LEASE_MS * 0.8)
    assert.equal((await store.look(token('9'))).leaseMs, null)
    assert.deepEqual(await store.acquire(claim('n3', { claim: 'take', token: token('3') })), { kind: 'stranger' })
    assert.deepEqual(await store.acquire(claim('n2', { claim: 'take', lineage: token('b'), token: token('2') })), { kind: 'foreign', lineage: LINEAGE })
    const taken = await store.acquire(take)
    assert.ok(taken.kind === 'acquired' && taken.isWhole)
    assert.deepEqual([taken.epoch, taken.last, taken.members], [2, at(1, 1, '1'), ['n1', 'n2']])
    assert.deepEqual(await store.renew({ token: token('1'), leaseMs: LEASE_MS, complete: null, incarnation: '', members: [], number: 4 }), { kind: 'fenced', epoch: 2 })
    assert.deepEqual(await store.append({ token: token('1'), previous: at(1, 1, '1'), entry: entry(at(1, 2, '1'), token('1')) }), { kind: 'fenced', epoch: 2 })
  })

  test('a renewal that is overtaken on its way does not change who may take the shard', async (t) => {
    const opened = await open(t)
    const { store } = opened
    await founded(opened)
    const { incarnation } = await store.look(token('9'))
    // From while the shard was being taken: then nobody else might take it yet.
    const late = await store.renew({ token: token('1'), leaseMs: LEASE_MS, complete: null, incarnation, members: [], number: 1 })
    assert.ok(late.kind === 'renewed' && late.isWhole)
    const view = await store.look(token('9'))
    assert.deepEqual([view.members, view.isWhole], [['n1', 'n2'], true])
    await store.release(token('1'), 'n2')
    assert.equal((await store.acquire(claim('n2', { claim: 'take', token: token('2') }))).kind, 'acquired')
    // The next owner counts anew.
    await store.renew({ token: token('2'), leaseMs: LEASE_MS, complete: null, incarnation, members: ['n2'], number: 1 })
    assert.deepEqual((await store.look(token('9'))).members, ['n2'])
  })

  test('what the changelog begins anew with is not undone by a renewal that is overtaken', async (t) => {
    const opened = await open(t)
    const { store } = opened
    const acquired = await store.acquire(claim('n1'))
    assert.ok(acquired.kind === 'acquired')
    const { incarnation } = acquired
    await store.rebase({ token: token('1'), found: null, entry: entry(at(1, 9, '1'), token('3')) })
    await store.renew({ token: token('1'), leaseMs: LEASE_MS, complete: at(1, 9, '1'), incarnation, members: ['n1'], number: 2 })
    await store.renew({ token: token('1'), leaseMs: LEASE_MS, complete: null, incarnation, members: [], number: 1 })
    const view = await store.look(token('9'))
    assert.deepEqual([view.members, view.isWhole], [['n1'], true])
  })

  test('what is released is free at once, and names its heir', async (t) => {
    const opened = await open(t)
    const { store } = opened
    await founded(opened)
    await store.release(token('7'), 'n3')
    assert.notEqual((await store.look(token('9'))).leaseMs, null)
    await store.release(token('1'), 'n2')
    const view = await store.look(token('9'))
    assert.deepEqual([view.leaseMs, view.heir, view.node], [null, 'n2', 'n1'])
    assert.equal((await store.acquire(claim('n2', { claim: 'take', token: token('2') }))).kind, 'acquired')
  })

  test('nodes show themselves until they are away too long, or leave', async (t) => {
    const { store, pass } = await open(t)
    await store.beat(shown('n1', { address: 'a:1', version: '1.0' }), 1000)
    await pass(300)
    const { nodes: seen } = await store.beat(shown('n2', { address: 'b:1', version: '1.1' }), 1000)
    assert.deepEqual(seen.map(({ node, address, version }) => [node, address, version]).sort(), [['n1', 'a:1', '1.0'], ['n2', 'b:1', '1.1']])
    assert.ok(seen.every(({ node, ageMs }) => node === 'n1' ? ageMs >= 290 && ageMs < 5000 : ageMs < 250))
    assert.deepEqual((await store.beat(null, 250)).nodes.map(({ node }) => node), ['n2'])
    assert.deepEqual(await store.beat(shown('n2', { address: '' }), 250), { nodes: [], holder: null })
  })

  test('a name is one process\'s, until that leaves, says nothing for long, or is taken for dead', async (t) => {
    const { store, pass } = await open(t)
    const [one, other] = [{ life: token('1') }, { life: token('2') }]
    assert.equal((await store.beat(shown('n1', one), 1000)).holder, null)
    const refused = await store.beat(shown('n1', { ...other, address: 'elsewhere:1' }), 1000)
    assert.ok(refused.holder !== null && refused.holder.leftMs > 0 && refused.holder.leftMs <= LEASE_MS)
    assert.deepEqual(refused.nodes.map(({ address }) => address), ['x:1'])
    // Nor does who has it not take it away.
    assert.notEqual((await store.beat(shown('n1', { ...other, address: '' }), 1000)).holder, null)
    await pass(20)
    assert.equal((await store.beat(shown('n1', one), 1000)).holder, null)
    const again = await store.beat(shown('n1', other), 1000)
    assert.ok(again.holder !== null && again.holder.beat !== refused.holder.beat)
    // What it took for silent has spoken; but of what has not it may have the name.
    assert.notEqual((await store.beat(shown('n1', { ...other, instead: refused.holder.beat }), 1000)).holder, null)
    assert.equal((await store.beat(shown('n1', { ...other, instead: again.holder.beat }), 1000)).holder, null)
    assert.notEqual((await store.beat(shown('n1', one), 1000)).holder, null)
    await store.beat(shown('n1', { ...other, address: '' }), 1000)
    assert.equal((await store.beat(shown('n1', one), 1000)).holder, null)
    await pass(LEASE_MS + 10)
    assert.equal((await store.beat(shown('n1', other), 1000)).holder, null)
  })

  test('confirmations are told to the owner', async (t) => {
    const opened = await open(t)
    const { store } = opened
    await founded(opened)
    await store.confirm('n2', { position: at(1, 1, '1'), isCopying: false })
    await store.confirm('n3', { position: BEGINNING, isCopying: true })
    const renewed = await store.renew({ token: token('1'), leaseMs: LEASE_MS, complete: null, incarnation: '', members: ['n1'], number: 3 })
    assert.ok(renewed.kind === 'renewed')
    assert.deepEqual([...renewed.confirmed].sort(), [['n2', { position: at(1, 1, '1'), isCopying: false }], ['n3', { position: BEGINNING, isCopying: true }]])
  })
}

function changelog(open: OpenStore): void {
  test('takes what continues it, once, and says where it ends otherwise', async (t) => {
    const opened = await open(t)
    const { store } = opened
    await founded(opened)
    const append = { token: token('1'), previous: at(1, 1, '1'), entry: { ...entry(at(1, 2, '1'), token('1')), bytes: Buffer.from([0, 255, 13, 10, 0]) } }
    assert.deepEqual(await store.append(append), { kind: 'appended' })
    assert.deepEqual(await store.append(append), { kind: 'appended' })
    const gap = { kind: 'gap', last: at(1, 2, '1') }
    assert.deepEqual(await store.append({ ...append, entry: entry(at(1, 3, '1'), token('1')) }), gap)
    assert.deepEqual(await store.append({ ...append, previous: at(1, 2, '2'), entry: entry(at(1, 3, '1'), token('1')) }), gap)
    assert.deepEqual((await store.read(BEGINNING, 10, 0)).map(plain), [entry(at(1, 1, '1'), BEGINNING.token), append.entry].map(plain))
    assert.deepEqual((await store.read(at(1, 1, '1'), 10, 0)).map(plain), [plain(append.entry)])
    assert.deepEqual((await store.read(BEGINNING, 1, 0)).length, 1)
    assert.deepEqual(await store.read(at(1, 2, '1'), 10, 0), [])
  })

  test('wakes who waits for an entry', async (t) => {
    const opened = await open(t)
    const { store } = opened
    await founded(opened)
    const waiting = store.read(at(1, 1, '1'), 10, 5000)
    await store.append({ token: token('1'), previous: at(1, 1, '1'), entry: entry(at(1, 2, '1'), token('1')) })
    assert.deepEqual((await waiting).map(({ position }) => position), [at(1, 2, '1')])
  })

  test('is trimmed by its owner alone, and begun anew by it', async (t) => {
    const opened = await open(t)
    const { store } = opened
    await founded(opened)
    const count = 300
    for (let n = 2; n <= count; n++) await store.append({ token: token('1'), previous: at(1, n - 1, '1'), entry: entry(at(1, n, '1'), token('1')) })
    await store.trim(token('2'), at(1, count, '1'))
    assert.equal((await store.read(BEGINNING, 1000, 0)).length, count)
    await store.trim(token('1'), at(1, count, '1'))
    const left = await store.read(BEGINNING, 1000, 0)
    // Redis trims whole nodes of a hundred entries.
    assert.ok(left.length >= 1 && left.length <= 100, `${String(left.length)} entries`)
    assert.deepEqual(left.at(-1)?.position, at(1, count, '1'))
    assert.deepEqual(await store.rebase({ token: token('2'), found: at(1, count, '1'), entry: entry(at(1, 9, '2'), token('3')) }), { kind: 'fenced', epoch: 1 })
    const rebase = { token: token('1'), found: at(1, count, '1'), entry: entry(at(1, 9, '1'), token('3')) }
    assert.deepEqual(await store.rebase({ ...rebase, found: null }), { kind: 'gap', last: at(1, count, '1') })
    assert.deepEqual(await store.rebase(rebase), { kind: 'appended' })
    assert.deepEqual(await store.rebase(rebase), { kind: 'appended' })
    assert.deepEqual((await store.read(BEGINNING, 10, 0)).map(({ position }) => position), [at(1, 9, '1')])
    const view = await store.look(token('9'))
    assert.deepEqual([view.last, view.members], [at(1, 9, '1'), ['n1']])
  })
}

function doubt(open: OpenStore): void {
  const both: Membership = { members: ['n1', 'n2'], change: token('c'), by: 'n1', before: ['n1'] }
  const take = (node: string, number: number, change: Partial<AcquireRequest> = {}): AcquireRequest =>
    claim(node, { claim: 'take', position: at(1, number, '1'), epoch: 1, membership: both, ...change })

  /** In another life, with the lease over; resolves with the round of votes. */
  async function inDoubt(opened: StoreForTest): Promise<string> {
    await founded(opened)
    await opened.newLife()
    await opened.pass(LEASE_MS + 100)
    const view = await opened.store.look(token('e'))
    assert.deepEqual([view.isWhole, view.round], [false, token('e')])
    assert.equal((await opened.store.look(token('f'))).round, token('e'))
    return view.round
  }

  test('after another start the shard is taken only when all members have voted, by the one that has most', async (t) => {
    const opened = await open(t)
    const { store } = opened
    const round = await inDoubt(opened)
    assert.deepEqual(await store.acquire(take('n2', 5, { token: token('2') })), { kind: 'doubt', missing: ['n1'] })
    await store.vote({ node: 'n1', round, position: at(1, 6, '1'), epoch: 4, change: both.change })
    await store.vote({ node: 'n2', round, position: at(1, 5, '1'), epoch: 1, change: both.change })
    // One that belongs to no round that is on counts for nothing.
    await store.vote({ node: 'n1', round: token('d'), position: at(1, 1, '1'), epoch: 1, change: both.change })
    assert.deepEqual(await store.acquire(take('n2', 5, { token: token('2') })), { kind: 'doubt', missing: ['n1'] })
    assert.deepEqual(await store.acquire(take('n3', 7, { token: token('3') })), { kind: 'stranger' })
    const acquired = await store.acquire(take('n1', 6, { token: token('3') }))
    assert.ok(acquired.kind === 'acquired' && !acquired.isWhole)
    // Above every epoch that anybody has owned.
    assert.equal(acquired.epoch, 5)
  })

  test('a membership that its maker does not have is no reason to leave out who was one before', async (t) => {
    const opened = await open(t)
    const { store } = opened
    const round = await inDoubt(opened)
    await store.vote({ node: 'n1', round, position: at(1, 4, '1'), epoch: 1, change: token('b') })
    await store.vote({ node: 'n2', round, position: at(1, 5, '1'), epoch: 1, change: both.change })
    assert.deepEqual(await store.acquire(take('n2', 5, { token: token('2') })), { kind: 'doubt', missing: ['n1'] })
    const knownBefore = { ...both, before: ['n1', 'n2', 'n3'] }
    assert.deepEqual(await store.acquire(take('n2', 5, { token: token('2'), membership: knownBefore })), { kind: 'doubt', missing: ['n3'] })
    await store.vote({ node: 'n3', round, position: at(1, 5, '1'), epoch: 1, change: both.change })
    assert.equal((await store.acquire(take('n2', 5, { token: token('2'), membership: knownBefore }))).kind, 'acquired')
  })

  test('an owner that is sure takes the shard back from a store that has lost its epoch, and nobody else\'s', async (t) => {
    const opened = await open(t)
    const { store } = opened
    await founded(opened)
    const sure = { claim: 'sure', token: token('2') } as const
    assert.deepEqual(await store.acquire(claim('n2', { ...sure, epoch: 1 })), { kind: 'fenced', epoch: 1 })
    const acquired = await store.acquire(claim('n2', { ...sure, epoch: 2 }))
    assert.ok(acquired.kind === 'acquired' && acquired.epoch === 3)
    // What it has is not yet all there.
    assert.equal((await store.look(token('9'))).isWhole, false)
    assert.deepEqual(await store.renew({ token: token('2'), leaseMs: LEASE_MS, complete: at(2, 7, '3'), incarnation: acquired.incarnation, members: ['n2'], number: 1 }), { kind: 'gap', last: at(1, 1, '1') })
  })

  test('a renewal from before another start does not make it whole', async (t) => {
    const opened = await open(t)
    const { store } = opened
    await founded(opened)
    const before = await store.look(token('9'))
    await opened.newLife()
    const renewal = { token: token('1'), leaseMs: LEASE_MS, complete: at(1, 1, '1'), members: ['n1'], number: 3 }
    const late = await store.renew({ ...renewal, incarnation: before.incarnation })
    assert.ok(late.kind === 'renewed' && !late.isWhole && late.incarnation !== before.incarnation)
    const renewed = await store.renew({ ...renewal, incarnation: late.incarnation })
    assert.ok(renewed.kind === 'renewed' && renewed.isWhole)
  })

  test('a store that is founded by somebody while others have data says so', async (t) => {
    const opened = await open(t)
    const { store } = opened
    const { round } = await store.look(token('e'))
    await store.vote({ node: 'n2', round, position: at(1, 5, '1'), epoch: 1, change: '' })
    assert.deepEqual(await store.acquire(claim('n1')), { kind: 'doubt', missing: ['n2'] })
  })
}

function plain({ position, previousToken, bytes }: LogEntry): LogEntry {
  return { position, previousToken, bytes: Buffer.from(bytes) }
}
