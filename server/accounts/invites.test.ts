/** Invites and registration at the shard: races, crashes, what counts and what does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { inviteIdAt, inviteKey, inviteListKey } from '../../storage/shard-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { routerError, ShardHarness, VERIFIER } from '../testing/shard-harness.js'
import { newInviteCode, readInviteCode, readInviteId } from '../session/invite-code.js'
import type { Allowance, InviteProof } from './registration-router.js'

const DAY_MS = 86_400_000

async function invite(harness: ShardHarness, { maker = '', uses = 1, ageMs = DAY_MS, allowance = null as Allowance | null, id = undefined as string | undefined } = {}): Promise<InviteProof> {
  const { proof } = newInviteCode(id)
  await harness.router.makeInvite({ ...proof, maker, uses, expiresMs: ageMs === 0 ? 0 : harness.nowMs + ageMs, allowance })
  return proof
}

function register(harness: ShardHarness, user: string, proof: InviteProof | 'none' | null, fill = 7, isKeptBack = false): Promise<boolean> {
  const verifier = { ...VERIFIER, storedKey: new Uint8Array(32).fill(fill) }
  return harness.router.register({ user, verifier, invite: proof, isKeptBack })
}

async function states(harness: ShardHarness, maker: string | null = null): Promise<string[]> {
  return (await harness.router.invites(maker, '', 100)).invites.map(({ id, state, used, uses }) => `${id} ${state} ${String(used)}/${String(uses)}`).sort()
}

test('[INV-8] codes are long, of a CSPRNG, and read as people write them', () => {
  const codes = Array.from({ length: 2000 }, () => newInviteCode())
  assert.equal(new Set(codes.map(({ code }) => code)).size, 2000)
  for (const { code, proof } of codes.slice(0, 50)) {
    assert.match(code, /^[0-9a-hjkmnp-tv-z]{8}(-[0-9a-hjkmnp-tv-z]{13}){2}$/)
    const secret = code.slice(9).replace('-', '')
    assert.ok(secret.length * 5 >= 128)
    assert.ok(!JSON.stringify({ id: proof.id, hash: Buffer.from(proof.secretHash).toString('latin1') }).includes(secret))
    for (const typed of [code, code.toUpperCase(), ` ${code.replaceAll('-', ' ')} `, code.replaceAll('0', 'O').replaceAll('1', 'l')]) assert.deepEqual(readInviteCode(typed), proof)
  }
  const letters = new Map<string, number>()
  for (const { code } of codes) for (const letter of code.slice(9).replace('-', '')) letters.set(letter, (letters.get(letter) ?? 0) + 1)
  assert.equal(letters.size, 32)
  for (const count of letters.values()) assert.ok(Math.abs(count - 1625) < 250, 'every letter is as likely')
  const { code } = codes[0]!
  for (const typed of ['', 'x', code.slice(0, -1), `${code}0`, code.replace(/.$/, 'u'), '0'.repeat(5000), `${code}${' '.repeat(64)}`]) assert.equal(readInviteCode(typed), null)
  assert.equal(readInviteId('7M4HX2KQ'), '7m4hx2kq')
  for (const id of ['', '7m4hx2k', '7m4hx2kqq', 'u0000000']) assert.equal(readInviteId(id), null)
})

test('[INV-5] [INV-9] an invite makes as many accounts as it has uses, also through a restart', async () => {
  const harness = new ShardHarness()
  const proof = await invite(harness, { uses: 2 })
  await register(harness, 'alice', proof)
  await harness.restart()
  await register(harness, 'bob', proof)
  await assert.rejects(register(harness, 'carol', proof), routerError(ERROR.inviteInvalid))
  assert.equal(await harness.router.account('carol'), null)
  assert.deepEqual(await states(harness), [`${proof.id} used 2/2`])
  await harness.restart()
  assert.notEqual(await harness.router.account('bob'), null)
  assert.deepEqual((await harness.router.users('', 9)).users.map(({ user }) => user), ['alice', 'bob'])
})

test('[INV-5] of registrations that race for the last use, or for one name, one succeeds', async () => {
  for (let round = 0; round < 20; round++) {
    const harness = new ShardHarness()
    const proof = await invite(harness)
    const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd'].map((user) => register(harness, user, proof)))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    const many = await invite(harness, { uses: 9 })
    const names = await Promise.allSettled([1, 2, 3].map((fill) => register(harness, 'same', many, fill)))
    assert.equal(names.filter(({ status }) => status === 'fulfilled').length, 1)
    assert.ok((await states(harness)).includes(`${many.id} open 1/9`), 'a name that was taken uses nothing')
  }
})

test('[INV-5] when the store fails, account and use are there together or not at all', async () => {
  class Failing extends MemoryEngine {
    fails = false
    override async commit(batch: Parameters<MemoryEngine['commit']>[0]): Promise<void> {
      if (this.fails) throw new Error('no disk')
      await super.commit(batch)
    }
  }
  const engine = new Failing()
  const harness = new ShardHarness({ engine })
  const proof = await invite(harness)
  engine.fails = true
  await assert.rejects(register(harness, 'alice', proof), routerError(ERROR.storageUnavailable))
  engine.fails = false
  await harness.pass(60_000)
  assert.equal(await harness.router.account('alice'), null)
  assert.deepEqual(await states(harness), [`${proof.id} open 0/1`])
  await register(harness, 'alice', proof)
})

test('[INV-9] one that is expired, revoked, of a wrong secret, or of a maker who is gone or disabled makes none', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('maker', 'gone')
  const expiring = await invite(harness)
  const forever = await invite(harness, { ageMs: 0, uses: 5 })
  const revoked = await invite(harness)
  const byMaker = await invite(harness, { maker: 'maker' })
  const byGone = await invite(harness, { maker: 'gone' })
  await harness.router.revokeInvite(null, revoked.id)
  await harness.router.removeUser('gone')
  await harness.router.setDisabled('maker', true)
  harness.nowMs += DAY_MS
  const wrong = { id: forever.id, secretHash: new Uint8Array(32) }
  const unknown = newInviteCode().proof
  for (const proof of [expiring, revoked, byMaker, byGone, wrong, unknown, null]) {
    await assert.rejects(register(harness, 'alice', proof), routerError(ERROR.inviteInvalid))
  }
  await harness.router.setDisabled('maker', false)
  harness.nowMs -= DAY_MS
  await register(harness, 'alice', byMaker)
  harness.nowMs += 1000 * DAY_MS
  await register(harness, 'bob', forever)
})

test('[INV-4] [INV-6] the code is looked at before the name, and names are not given twice', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'removed')
  await harness.router.removeUser('removed')
  const proof = await invite(harness, { uses: 9 })
  for (const user of ['alice', 'removed', 'kept']) {
    await assert.rejects(register(harness, user, newInviteCode().proof, 7, user === 'kept'), routerError(ERROR.inviteInvalid))
    await assert.rejects(register(harness, user, proof, 7, user === 'kept'), routerError(ERROR.nameTaken))
    await assert.rejects(register(harness, user, 'none', 7, user === 'kept'), routerError(ERROR.nameTaken))
  }
  assert.deepEqual(await states(harness), [`${proof.id} open 0/9`])
})

test('[INV-7] what has succeeded may be asked again, with the same verifier alone', async () => {
  const harness = new ShardHarness()
  const proof = await invite(harness)
  assert.deepEqual(await Promise.all([register(harness, 'alice', proof, 5), register(harness, 'alice', proof, 5)]), [true, false])
  await harness.restart()
  assert.equal(await register(harness, 'alice', proof, 5), false)
  await assert.rejects(register(harness, 'alice', proof, 6), routerError(ERROR.inviteInvalid))
  assert.deepEqual(await states(harness), [`${proof.id} used 1/1`])
  await harness.router.removeUser('alice')
  await assert.rejects(register(harness, 'alice', proof, 5), routerError(ERROR.inviteInvalid))
})

test('[INV-12] a user has so many uses to give out in a time, used or not; also when asked for at once', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice')
  const mine = { maker: 'alice', allowance: { uses: 3, periodMs: DAY_MS } }
  const first = await invite(harness, { ...mine, uses: 2 })
  await register(harness, 'bob', first)
  await harness.router.revokeInvite('alice', first.id)
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => invite(harness, mine)))
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 2, 'the use of the revoked one counts')
  await assert.rejects(invite(harness, mine), routerError(ERROR.tooManyInvites))
  await invite(harness, { uses: 1000 })
  harness.nowMs += DAY_MS
  const later = await invite(harness, { ...mine, uses: 3 })
  assert.deepEqual(await states(harness, 'alice'), [`${later.id} open 0/3`], 'expired ones are gone from the store')
  await assert.rejects(invite(harness, { maker: 'nobody' }), routerError(ERROR.noSuchUser))
})

test('[INV-12] an invite that expires soon counts as long as any other, and bounds what its maker stores', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice')
  const mine = { maker: 'alice', allowance: { uses: 2, periodMs: 7 * DAY_MS }, ageMs: 1000 }
  await register(harness, 'bob', await invite(harness, mine))
  harness.nowMs += 1000
  await register(harness, 'carol', await invite(harness, mine))
  harness.nowMs += 1000
  await assert.rejects(invite(harness, mine), routerError(ERROR.tooManyInvites))
  harness.nowMs += 7 * DAY_MS - 2000
  await invite(harness, mine)
  await assert.rejects(invite(harness, mine), routerError(ERROR.tooManyInvites))
  assert.equal((await states(harness, 'alice')).length, 2, 'the first is over')
  // One that lasts longer than the operator would let it now counts as long as it lasts.
  const long = { ...mine, allowance: { uses: 1, periodMs: DAY_MS }, ageMs: 30 * DAY_MS }
  harness.nowMs += 7 * DAY_MS
  await invite(harness, long)
  harness.nowMs += 2 * DAY_MS
  await assert.rejects(invite(harness, long), routerError(ERROR.tooManyInvites))
})

test('[INV-12] revoked invites that nobody has used do not pile up, nor do those of accounts that are gone', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice')
  const { engine } = harness
  assert.ok(engine instanceof MemoryEngine)
  const rows = engine.size
  for (let i = 0; i < 20; i++) {
    const { id } = await invite(harness, { maker: 'alice', allowance: { uses: 1, periodMs: DAY_MS } })
    await harness.router.revokeInvite('alice', id)
  }
  assert.deepEqual((await states(harness, 'alice')).map((state) => state.slice(9)), ['revoked 0/1'])
  assert.equal(engine.size, rows + 2)
  await harness.router.removeUser('alice')
  assert.deepEqual(await states(harness), [])
})

test('an invite that its maker asks for while the account is removed goes with it', async () => {
  const id = '7m4hx2kq'
  let read = (): void => {}
  const mayRead = new Promise<void>((resolve) => { read = resolve })
  class SlowEngine extends MemoryEngine {
    override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
      if (Buffer.from(inviteKey(id)).equals(key)) await mayRead
      return super.get(key)
    }
  }
  const harness = new ShardHarness({ engine: new SlowEngine() })
  await harness.addUsers('alice')
  const made = invite(harness, { maker: 'alice', allowance: { uses: 9, periodMs: DAY_MS }, id })
  const removed = harness.router.removeUser('alice')
  await harness.settle()
  read()
  await Promise.all([made, removed])
  assert.deepEqual(await states(harness), [])
})

test('an operator\'s invites go some time after they have expired, and none that may be used', async () => {
  const harness = new ShardHarness()
  for (let i = 0; i < 250; i++) await invite(harness, { ageMs: i < 200 ? DAY_MS : 0 })
  harness.nowMs += DAY_MS
  for (let i = 0; i < 5; i++) await invite(harness, { ageMs: 0 })
  const { invites } = await harness.router.invites('', '', 1000)
  assert.deepEqual([...new Set(invites.map(({ state }) => state))], ['open'])
  assert.equal(invites.length, 55)
})

test('[INV-13] lists and revokes those of the maker alone; an operator those of all', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'alice2')
  const mine = await invite(harness, { maker: 'alice' })
  const others = await invite(harness, { maker: 'alice2' })
  const operators = await invite(harness)
  assert.deepEqual(await states(harness, 'alice'), [`${mine.id} open 0/1`])
  assert.deepEqual(await states(harness, ''), [`${operators.id} open 0/1`])
  assert.equal((await states(harness)).length, 3)
  const ids = (await harness.router.invites(null, '', 2)).invites.map(({ id }) => id)
  assert.deepEqual((await harness.router.invites(null, ids[1]!, 2)).invites.length, 1)
  for (const id of [others.id, operators.id, newInviteCode().proof.id]) {
    await assert.rejects(harness.router.revokeInvite('alice', id), routerError(ERROR.noSuchInvite))
  }
  await harness.router.revokeInvite('alice', mine.id)
  await harness.router.revokeInvite(null, others.id)
  await harness.restart()
  assert.deepEqual(await states(harness, 'alice'), [`${mine.id} revoked 0/1`])
  await assert.rejects(register(harness, 'bob', mine), routerError(ERROR.inviteInvalid))
})

test('[INV-16] an invite asked for again is the same one with another code; an id in use is nobody else\'s', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob')
  const first = await invite(harness, { maker: 'alice', allowance: { uses: 1, periodMs: DAY_MS } })
  const again = await invite(harness, { maker: 'alice', allowance: { uses: 1, periodMs: DAY_MS }, id: first.id })
  assert.deepEqual(await states(harness, 'alice'), [`${first.id} open 0/1`])
  await assert.rejects(register(harness, 'carol', first), routerError(ERROR.inviteInvalid))
  await assert.rejects(invite(harness, { maker: 'bob', id: first.id }), routerError(ERROR.conflict))
  await assert.rejects(invite(harness, { id: first.id }), routerError(ERROR.conflict))
  await register(harness, 'carol', again)
  await assert.rejects(invite(harness, { maker: 'alice', allowance: { uses: 5, periodMs: DAY_MS }, id: first.id }), routerError(ERROR.conflict))
})

test('the keys of invites give their ids back, whoever made them', () => {
  for (const maker of ['', 'alice', 'a.b', '0']) assert.equal(inviteIdAt(inviteListKey(maker, '7m4hx2kq')), '7m4hx2kq')
  assert.equal(inviteIdAt(inviteKey('7m4hx2kq')), '7m4hx2kq')
})
