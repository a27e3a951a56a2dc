/** Sessions and calls where nobody is in charge for a while, or somebody else: spec/links.md, 14 to 18. See also owner-changes.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeSkip } from '../../protocol/generated/frames.js'
import { ACTIVITY, ERROR } from '../../protocol/generated/registry.js'
import { LinkLostError } from '../link/asked-calls.js'
import { TestSink } from '../link/testing/harness.js'
import { SILENT_LOG } from '../log.js'
import { FakeRouter } from '../session/testing/fake-router.js'
import { routerError } from '../testing/shard-harness.js'
import { Random } from '../testing/simulation/random.js'
import { settle, World } from '../testing/simulation/world.js'
import type { CallTargets } from './calls.js'
import { ClusterRouter, type RouterSource } from './cluster-router.js'
import { type Attachment, type AttachRequest, RouterError } from './router.js'

const OWNER_WAIT_MS = 10_000
const NONE = new Uint8Array(0)
const REQUEST: AttachRequest = {
  user: 'alice', device: 'phone', deviceName: '', queueEpoch: 0, cursor: 0, outboxEpoch: 0, window: 0, usedTokenHash: null, freshTokenHash: new Uint8Array(32),
}

class Harness {
  readonly world = new World(new Random(1))
  readonly source: RouterSource & { targets: CallTargets | null } = { targets: null, onChange: () => {} }
  readonly router: ClusterRouter
  readonly sink = new TestSink()

  constructor() {
    this.router = new ClusterRouter({
      source: this.source, clock: { monotonicMs: () => this.world.nowMs() }, scheduler: this.world, log: SILENT_LOG, ownerWaitMs: OWNER_WAIT_MS,
      hasBlobs: false, blobBytesMax: 1,
    })
  }

  own(router: FakeRouter | null): void {
    this.source.targets = router === null ? null : { router, desk: null }
    this.source.onChange()
  }

  async pass(ms: number): Promise<void> {
    await settle()
    const endMs = this.world.nowMs() + ms
    this.world.after(ms, () => {})
    while (this.world.nowMs() < endMs) await this.#step()
    await this.#step()
  }

  async #step(): Promise<void> {
    this.world.runTask()
    await settle()
  }

  /** A session at an owner. */
  async open(owner = new FakeRouter()): Promise<{ owner: FakeRouter, attachment: Attachment }> {
    owner.attached = { ...owner.attached, resume: 0, stamp: 77 }
    this.own(owner)
    const { attachment } = await this.router.attach(REQUEST, this.sink)
    this.router.start(attachment)
    return { owner, attachment }
  }
}

function nextOwner(change: Partial<FakeRouter['attached']> = {}): FakeRouter {
  const owner = new FakeRouter()
  owner.attached = { ...owner.attached, resume: 1, stamp: 77, ...change }
  return owner
}

test('a session goes on at the next owner: from its cursor, with its stamp, and with all that was not answered', async () => {
  const harness = new Harness()
  const { owner, attachment } = await harness.open()
  const { router } = harness
  const [place] = owner.places
  for (const index of [1, 2, 3]) place!.sink.entries(encodeSkip(index), index, 1)
  assert.equal(router.cursor(attachment, 2), true)
  router.message(attachment, 1, 'bob', Buffer.from('one'), NONE)
  router.message(attachment, 2, 'bob', Buffer.from('two'), NONE)
  router.mark(attachment, 3, 'bob', 2, 9)
  router.activity(attachment, ACTIVITY.inactive)
  router.watch(attachment, ['Bob'])
  place!.sink.acked(2, 8, 1000)
  harness.own(null)
  await harness.pass(500)
  assert.equal(place!.isDetached, true)
  router.operate(attachment, 4, 'bob', 5, 1, Buffer.from('three'))
  assert.equal(router.cursor(attachment, 3), true)
  const next = nextOwner({ cursor: 3 })
  harness.own(next)
  await harness.pass(500)
  const [again] = next.places
  const { queueEpoch, outboxEpoch, cursor, window, resumes } = again!.request
  assert.deepEqual({ queueEpoch, outboxEpoch, cursor, window, resumes }, { queueEpoch: 11, outboxEpoch: 21, cursor: 3, window: 256, resumes: 77 })
  assert.deepEqual(next.calls, ['activity 2', 'message 1 bob one', 'mark 3 bob 2 9', 'operate 4 bob 5 1 three'])
  await harness.pass(3000)
  assert.equal(next.calls.at(-1), 'watch bob')
  // What the old place tells is not heard any more, and what was answered is answered once.
  place!.sink.acked(1, 7, 1000)
  again!.sink.acked(1, 7, 1000)
  again!.sink.acked(1, 7, 1000)
  again!.sink.entries(Buffer.concat([encodeSkip(4)]), 4, 1)
  assert.deepEqual(harness.sink.told.filter((each) => each.startsWith('acked')), ['acked 2 8 1000 0', 'acked 1 7 1000 0'])
  assert.deepEqual(harness.sink.ends, [])
  assert.equal(router.resumed, 1)
})

test('a session that finds no owner in time is ended so that its client comes again, and calls fail', async () => {
  const harness = new Harness()
  await harness.open()
  harness.own(null)
  assert.equal(harness.router.isCrowded, true)
  let rooms = 0
  harness.router.whenRoom(() => { rooms++ })
  const call = harness.router.settings('alice')
  const opening = harness.router.attach({ ...REQUEST, device: 'laptop' }, new TestSink())
  const failures = Promise.all([
    assert.rejects(call, routerError(ERROR.storageUnavailable)), assert.rejects(opening, routerError(ERROR.storageUnavailable)),
  ])
  await harness.pass(OWNER_WAIT_MS - 500)
  assert.deepEqual([harness.sink.ends, harness.router.waitingSessions], [[], 1])
  await harness.pass(1500)
  assert.deepEqual(harness.sink.ends, [ERROR.storageUnavailable])
  await failures
  assert.deepEqual([harness.router.sessions, harness.router.waitingSessions, harness.router.abandoned], [0, 0, 1])
  harness.own(nextOwner())
  await harness.pass(100)
  assert.equal(rooms, 1)
})

test('a session that can\'t go on as it was is ended: epochs, a queue that is gone, an account that is not let in', async () => {
  for (const [change, failure, code] of [
    [{ queueEpoch: 12 }, null, ERROR.storageUnavailable],
    [{ outboxEpoch: 22 }, null, ERROR.storageUnavailable],
    [{ resume: 2 as const }, null, ERROR.storageUnavailable],
    [{}, new RouterError(ERROR.accountDisabled, ''), ERROR.accountDisabled],
    // Which of two is the later one can't be said here; told that it was replaced its client would stay away.
    [{}, new RouterError(ERROR.replaced, ''), ERROR.storageUnavailable],
  ] as const) {
    const harness = new Harness()
    await harness.open()
    const next = nextOwner(change)
    next.failure = failure
    harness.own(next)
    await harness.pass(500)
    assert.deepEqual(harness.sink.ends, [code])
    assert.ok(next.places.every(({ isDetached }) => isDetached))
  }
})

test('an owner that can\'t keep a session for a moment is asked again', async () => {
  const harness = new Harness()
  const { owner } = await harness.open()
  owner.attached = { ...owner.attached, resume: 1 }
  owner.failure = new RouterError(ERROR.storageUnavailable, 'not now')
  owner.places[0]!.sink.ended(ERROR.storageUnavailable)
  await harness.pass(1000)
  assert.deepEqual([harness.sink.ends, owner.places.length, harness.router.waitingSessions], [[], 2, 0])
  owner.places[1]!.sink.ended(ERROR.replaced)
  assert.deepEqual(harness.sink.ends, [ERROR.replaced])
})

test('what comes to the same when it is done twice is asked again where the answer was lost, other calls are not', async () => {
  const harness = new Harness()
  const { owner } = await harness.open()
  owner.failure = new LinkLostError(true)
  const read = harness.router.settings('alice')
  await harness.pass(500)
  assert.deepEqual(await read, { readReceipts: true })
  owner.failure = new LinkLostError(true)
  await assert.rejects(harness.router.removeDevice('alice', 'phone'), routerError(ERROR.unavailable))
  owner.failure = new LinkLostError(false)
  const unsent = harness.router.removeDevice('alice', 'phone')
  await harness.pass(500)
  await unsent
  owner.failure = new RouterError(ERROR.noSuchUser, 'no')
  await assert.rejects(harness.router.privacy('alice'), routerError(ERROR.noSuchUser), 'a refusal is an answer')
})

test('who hangs up while it waits for an owner takes no place', async () => {
  const harness = new Harness()
  const sink = new TestSink()
  const opening = harness.router.attach(REQUEST, sink)
  const refused = assert.rejects(opening, routerError(ERROR.replaced))
  await harness.pass(100)
  sink.isGone = true
  harness.router.abandon(sink)
  const owner = nextOwner()
  harness.own(owner)
  await harness.pass(100)
  await refused
  assert.equal(owner.places.length, 0)
})

test('a router that closes lets nobody wait', async () => {
  const harness = new Harness()
  await harness.open()
  harness.own(null)
  const refused = assert.rejects(harness.router.settings('alice'), routerError(ERROR.storageUnavailable))
  harness.router.close()
  await harness.pass(10)
  await refused
  assert.deepEqual(harness.sink.ends, [ERROR.storageUnavailable])
  await assert.rejects(harness.router.settings('alice'), routerError(ERROR.storageUnavailable))
})
