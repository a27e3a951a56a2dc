/** Registration with invites that are at home in other shards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ERROR } from '../../protocol/generated/registry.js'
import { channelTakenKey } from '../../storage/channel-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { inviteKey } from '../../storage/shard-keys.js'
import { decodeNumber } from '../channels/entries.js'
import { RouterError } from '../router/router.js'
import { DamagedEngine } from '../testing/damaged-engine.js'
import { routerError, VERIFIER } from '../testing/shard-harness.js'
import { ShardsHarness, type ShardsOptions } from '../testing/shards-harness.js'
import { decodeInvite, encodeInvite, type InviteRow } from './invite-state.js'
import type { InviteInfo, Registration } from './registration-router.js'

const ID = '7m4hx2kq'
const SECRET = new Uint8Array(32).fill(7)
const PROOF = { id: ID, secretHash: SECRET }
/** Beyond what an answer waits for another shard. */
const LONG_MS = 15_000

interface Rig {
  readonly harness: ShardsHarness
  /** Who made the invite, at home in shard 1. */
  readonly maker: string
  /** A name that is free, in shard 2. */
  readonly name: string
}

async function rig(uses = 1, options: ShardsOptions = {}): Promise<Rig> {
  const harness = new ShardsHarness(options)
  const maker = harness.userAt(1)
  await harness.addUsers(maker)
  await harness.router.makeInvite({ ...PROOF, maker, uses, expiresMs: 0, allowance: null })
  return { harness, maker, name: harness.userAt(2) }
}

function registering({ harness }: Rig, user: string, more: Partial<Registration> = {}): Promise<boolean> {
  return harness.router.register({ user, verifier: VERIFIER, invite: PROOF, isKeptBack: false, ...more })
}

async function invite({ harness }: Pick<Rig, 'harness'>): Promise<InviteInfo> {
  const { invites } = await harness.router.invites(null, '', 10)
  assert.equal(invites.length, 1)
  return invites[0]!
}

for (const between of ['calls', 'links'] as const) {
  void test(`[INV-5] [INV-9] an invite makes accounts wherever they are at home, as many as it has uses (${between})`, async () => {
    const its = await rig(3, { between })
    const { harness, maker } = its
    for (const shard of [0, 1, 2]) assert.equal(await registering(its, harness.userAt(shard, [maker])), true)
    await assert.rejects(registering(its, harness.userAt(0, ['someone0', harness.userAt(0)])), routerError(ERROR.inviteInvalid))
    const { used, state } = await invite(its)
    assert.deepEqual([used, state], [3, 'used'])
    assert.equal((await harness.router.users('', 10)).users.length, 4)
  })
}

void test('[INV-4] [INV-6] the code is looked at before the name, and a name that is taken costs no use', async () => {
  const its = await rig()
  const { harness, name } = its
  await harness.addUsers(name)
  const other = { ...VERIFIER, storedKey: new Uint8Array(32).fill(9) }
  const wrong = { id: ID, secretHash: new Uint8Array(32) }
  for (const invite of [wrong, { ...PROOF, id: '00000001' }, null]) await assert.rejects(registering(its, name, { verifier: other, invite }), routerError(ERROR.inviteInvalid))
  await assert.rejects(registering(its, name, { verifier: other }), routerError(ERROR.nameTaken))
  await assert.rejects(registering(its, harness.userAt(0), { isKeptBack: true }), routerError(ERROR.nameTaken))
  assert.equal((await invite(its)).used, 0)
})

void test('[INV-7] who registers again as before gets the same answer, and costs no use', async () => {
  const its = await rig(2)
  assert.equal(await registering(its, its.name), true)
  assert.equal(await registering(its, its.name), false)
  assert.equal((await invite(its)).used, 1)
})

void test('[INV-5] of two who race for one name one gets it, and the use of the other is given back', async () => {
  const its = await rig(2)
  const { harness, name } = its
  // Whose keys are the same is the same.
  const other = { ...VERIFIER, storedKey: new Uint8Array(32).fill(9) }
  const another = { id: 'another0', secretHash: new Uint8Array(32).fill(8) }
  await harness.router.makeInvite({ ...another, maker: '', uses: 1, expiresMs: 0, allowance: null })
  const results = await Promise.allSettled([registering(its, name), registering(its, name, { verifier: other, invite: another }), registering(its, name, { verifier: other })])
  await harness.pass(1000)
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const result of results) if (result.status === 'rejected') assert.ok(result.reason instanceof RouterError && result.reason.code === ERROR.nameTaken)
  const { invites } = await harness.router.invites(null, '', 10)
  assert.equal(invites.reduce((sum, { used }) => sum + used, 0), 1)
})

void test('[INV-5] of many who race for the last uses as many come in', async () => {
  const its = await rig(2)
  const { harness, maker } = its
  const names = [maker]
  for (let i = 0; i < 6; i++) names.push(harness.userAt(i % 3, names))
  const results = await Promise.allSettled(names.slice(1).map((name) => registering(its, name)))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 2)
  assert.equal((await invite(its)).used, 2)
  assert.equal((await harness.router.users('', 10)).users.length, 3)
})

void test('[INV-15] [INV-9] who made the invite decides over it: disabled it lets nobody in, and removed it is gone', async () => {
  const its = await rig()
  const { harness, maker, name } = its
  await harness.router.setDisabled(maker, true)
  await assert.rejects(registering(its, name), routerError(ERROR.inviteInvalid))
  await harness.router.setDisabled(maker, false)
  await harness.router.removeUser(maker)
  await assert.rejects(registering(its, name), routerError(ERROR.inviteInvalid))
  assert.deepEqual((await harness.router.invites(null, '', 10)).invites, [])
})

void test('[INV-13] [INV-16] invites of all shards are listed together, an id is given once, and an operator revokes any', async () => {
  const its = await rig()
  const { harness, maker } = its
  const second = harness.userAt(2)
  await harness.addUsers(second)
  await assert.rejects(harness.router.makeInvite({ ...PROOF, maker: second, uses: 1, expiresMs: 0, allowance: null }), routerError(ERROR.conflict))
  for (const [at, by] of [second, '', second, ''].entries()) {
    await harness.router.makeInvite({ id: `invite0${String(at)}`, secretHash: SECRET, maker: by, uses: 1, expiresMs: 0, allowance: null })
  }
  const listed: string[] = []
  for (let more = true; more;) {
    const page = await harness.router.invites(null, listed.at(-1) ?? '', 2)
    listed.push(...page.invites.map(({ id }) => id))
    more = page.more
  }
  assert.deepEqual(listed, [ID, 'invite00', 'invite01', 'invite02', 'invite03'])
  assert.deepEqual((await harness.router.invites(second, '', 10)).invites.map(({ id }) => id), ['invite00', 'invite02'])
  await assert.rejects(harness.router.revokeInvite(second, ID), routerError(ERROR.noSuchInvite))
  await assert.rejects(harness.router.revokeInvite(null, 'nowhere0'), routerError(ERROR.noSuchInvite))
  await harness.router.revokeInvite(null, ID)
  assert.deepEqual((await harness.router.invites(maker, '', 10)).invites.map(({ state }) => state), ['revoked'])
})

void test('[INV-5] a use whose account is not made yet stays one, however often it is asked for', async () => {
  const its = await rig()
  const { harness, name } = its
  harness.hold(1, 2)
  for (let i = 0; i < 3; i++) {
    const isRefused = assert.rejects(registering(its, name), routerError(ERROR.storageUnavailable))
    await harness.pass(LONG_MS)
    await isRefused
  }
  assert.equal((await invite(its)).used, 1)
  harness.hold(1, 2, false)
  await harness.pass(LONG_MS)
  assert.equal(await registering(its, name), false)
  assert.equal((await invite(its)).used, 1)
})

void test('[INV-5] whichever shard dies on the way, the account is made once and costs one use', async () => {
  for (const dead of [1, 2]) {
    for (const heldFrom of [1, 2]) {
      const its = await rig()
      const { harness, name } = its
      // Either the account is on its way, or what came of it.
      harness.hold(heldFrom, 3 - heldFrom)
      const first = registering(its, name).catch(() => false)
      await harness.settle()
      harness.crash(dead)
      harness.hold(heldFrom, 3 - heldFrom, false)
      await harness.pass(LONG_MS)
      void first
      await registering(its, name)
      await harness.pass(LONG_MS)
      const what = `${String(dead)} died, ${String(heldFrom)} was held`
      assert.equal((await invite(its)).used, 1, what)
      assert.notEqual(await harness.router.account(name), null, what)
      const { row } = await harness.routers[1]!.shard.invite(ID)
      assert.deepEqual(row?.pending, [], what)
    }
  }
})

void test('an invite that can\'t be read any more stops neither its shard nor the channel', async () => {
  const engine = new DamagedEngine()
  const its = await rig(1, { engines: [new MemoryEngine(), engine, new MemoryEngine()] })
  const { harness, maker, name } = its
  harness.hold(2, 1)
  assert.equal(await registering(its, name), true)
  engine.damage(inviteKey(ID))
  harness.crash(1, engine)
  const phone = await harness.attach(maker)
  harness.hold(2, 1, false)
  await harness.pass(LONG_MS)
  const taken = decodeNumber(await engine.get(channelTakenKey(2)))
  assert.ok(taken > 0, 'what came of its use')
  assert.equal(phone.endedWith, 0)
  assert.ok(harness.events.some((event) => event.includes('has no effect')))
  // What comes behind it does.
  const friend = await harness.attach(name)
  friend.send(maker, 'hello')
  await harness.pass(1000)
  assert.deepEqual(phone.texts, ['hello'])
})

void test('a shard that can\'t be asked may have the invite', async () => {
  const its = await rig()
  const { harness, name } = its
  harness.cutOff.add(1)
  await assert.rejects(registering(its, name), routerError(ERROR.storageUnavailable))
  harness.cutOff.clear()
  await harness.pass(LONG_MS)
  assert.equal(await registering(its, name), true)
})

void test('[PRS-5] who comes by an invite from elsewhere is seen by who watches the name', async () => {
  const its = await rig()
  const { harness, maker, name } = its
  const phone = await harness.attach(maker)
  phone.watch(name)
  await harness.settle()
  await registering(its, name)
  await harness.attach(name)
  await harness.pass(2000)
  assert.deepEqual(phone.seen(), [`${name} offline`, `${name} online`])
})

void test('an invite is read as it was written', () => {
  const bytes = fc.uint8Array({ maxLength: 32 })
  const rowOf = fc.record({
    secretHash: bytes, maker: fc.stringMatching(/^[a-z]{0,8}$/), createdMs: fc.nat(), expiresMs: fc.nat(), uses: fc.nat(), used: fc.nat(), revoked: fc.boolean(),
    pending: fc.array(fc.record({ user: fc.stringMatching(/^[a-z]{1,8}$/), digest: bytes }, { noNullPrototype: true }), { maxLength: 3 }),
  }, { noNullPrototype: true })
  // Whether its bytes are a Buffer does not matter.
  const comparable = ({ secretHash, pending, ...row }: InviteRow): unknown => ({
    ...row, secretHash: [...secretHash], pending: pending.map(({ user, digest }) => [user, ...digest]),
  })
  fc.assert(fc.property(rowOf, (row) => { assert.deepEqual(comparable(decodeInvite(encodeInvite(row))), comparable(row)) }))
})
