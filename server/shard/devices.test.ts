import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR, RESUME } from '../../protocol/generated/registry.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { routerError, ShardHarness, tokenHash, VERIFIER } from '../testing/shard-harness.js'

const DAY_MS = 86_400_000

async function withAnn(options: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<ShardHarness> {
  const harness = new ShardHarness(options)
  await harness.addUsers('ann', 'bob')
  return harness
}

void test('[OPN-8] a new device is added, one too many is refused, and a removed one makes room under a number of its own', async () => {
  const harness = await withAnn({ limits: { devicesMax: 2 } })
  await harness.attach('ann', 'phone', { deviceName: 'Ann\'s phone' })
  await harness.attach('ann', 'tablet')
  await assert.rejects(harness.attach('ann', 'laptop'), routerError(ERROR.tooManyDevices))
  await harness.router.removeDevice('ann', 'tablet')
  const laptop = await harness.attach('ann', 'laptop')
  assert.equal(laptop.attached.resume, RESUME.fresh)
  await harness.restart()
  assert.deepEqual((await harness.router.devices('ann')).map(({ device, name, online }) => [device, name, online]),
    [['phone', 'Ann\'s phone', false], ['laptop', '', false]])
})

void test('[DEV-1] devices tells name, times and who is online; a new name is taken over', async () => {
  const harness = await withAnn()
  const createdMs = harness.nowMs
  const phone = await harness.attach('ann', 'phone', { deviceName: 'old' })
  await harness.pass(DAY_MS)
  phone.detach()
  const tablet = await harness.reattach(phone, 0, { deviceName: 'new' })
  assert.deepEqual(await harness.router.devices('ann'),
    [{ device: 'phone', name: 'new', createdMs, lastActiveMs: createdMs + DAY_MS, online: true }])
  tablet.detach()
  await harness.restart()
  assert.deepEqual(await harness.router.devices('ann'),
    [{ device: 'phone', name: 'new', createdMs, lastActiveMs: createdMs + DAY_MS, online: false }])
})

void test('[OPN-7] a second connection of a device replaces the first', async () => {
  const harness = await withAnn()
  const first = await harness.attach('ann')
  const second = await harness.reattach(first, 0)
  assert.deepEqual([first.endedWith, second.endedWith], [ERROR.replaced, 0])
  assert.equal(harness.shard.sessions.size, 1)
  // What the first one's session still does is in vain.
  first.detach()
  assert.equal((await harness.router.devices('ann'))[0]?.online, true)
})

void test('[OPN-7] of two connections that bind at once the later one stays', async () => {
  const harness = await withAnn()
  const outcomes = await Promise.allSettled([harness.attach('ann'), harness.attach('ann')])
  assert.deepEqual(outcomes.map(({ status }) => status), ['rejected', 'fulfilled'])
  assert.ok(outcomes[0]?.status === 'rejected' && routerError(ERROR.replaced)(outcomes[0].reason))
  assert.equal(harness.shard.sessions.size, 1)
})

void test('[QUE-15] [DEV-2] removing a device ends its session, burns its tokens and drops its cursor', async () => {
  const harness = await withAnn()
  const phone = await harness.attach('ann', 'phone', { freshTokenHash: tokenHash(7) })
  await harness.router.removeDevice('ann', 'phone')
  assert.equal(phone.endedWith, ERROR.deviceRemoved)
  assert.equal(await harness.router.checkToken('ann', 'phone', tokenHash(7)), 'invalid')
  await assert.rejects(harness.reattach(phone, 0, { usedTokenHash: tokenHash(7) }), routerError(ERROR.deviceRemoved))
  await assert.rejects(harness.router.removeDevice('ann', 'phone'), routerError(ERROR.noSuchDevice))
  await assert.rejects(harness.router.removeDevice('nobody', 'phone'), routerError(ERROR.noSuchUser))
  await harness.restart()
  assert.deepEqual(await harness.router.devices('ann'), [])
})

void test('[TOK-2] [TOK-3] two slots: until the issued token is used the one before stays valid, using it burns the other', async () => {
  const harness = await withAnn({ limits: { tokenRotateMs: 7 * DAY_MS } })
  const first = await harness.attach('ann', 'phone', { freshTokenHash: tokenHash(1) })
  assert.equal(first.attached.tokenIssued, true)
  const used = await harness.reattach(first, 0, { usedTokenHash: tokenHash(1), freshTokenHash: tokenHash(2) })
  assert.equal(used.attached.tokenIssued, false)
  await harness.pass(8 * DAY_MS)
  const rotated = await harness.reattach(first, 0, { usedTokenHash: tokenHash(1), freshTokenHash: tokenHash(3) })
  assert.equal(rotated.attached.tokenIssued, true)
  await harness.restart()
  // The welcome with it was lost: the old one opens, and another is issued.
  const lost = await harness.reattach(first, 0, { usedTokenHash: tokenHash(1), freshTokenHash: tokenHash(4) })
  assert.equal(lost.attached.tokenIssued, true)
  assert.equal(await harness.router.checkToken('ann', 'phone', tokenHash(3)), 'invalid')
  const taken = await harness.reattach(first, 0, { usedTokenHash: tokenHash(4), freshTokenHash: tokenHash(5) })
  assert.equal(taken.attached.tokenIssued, false)
  assert.equal(await harness.router.checkToken('ann', 'phone', tokenHash(4)), 'valid')
  assert.equal(await harness.router.checkToken('ann', 'phone', tokenHash(1)), 'invalid')
  await assert.rejects(harness.reattach(first, 0, { usedTokenHash: tokenHash(1) }), routerError(ERROR.tokenInvalid))
})

void test('[TOK-4] a token unused for too long expires', async () => {
  const harness = await withAnn()
  const phone = await harness.attach('ann')
  phone.detach()
  await harness.pass(harness.limits.tokenAgeMs - DAY_MS)
  assert.equal(await harness.router.checkToken('ann', 'phone', tokenHash(1)), 'valid')
  await harness.pass(2 * DAY_MS)
  assert.equal(await harness.router.checkToken('ann', 'phone', tokenHash(1)), 'invalid')
  await assert.rejects(harness.reattach(phone, 0, { usedTokenHash: tokenHash(1) }), routerError(ERROR.tokenInvalid))
  assert.equal(await harness.router.checkToken('ann', 'tablet', tokenHash(1)), 'invalid')
  assert.equal(await harness.router.checkToken('nobody', 'phone', tokenHash(1)), 'invalid')
})

void test('[TOK-4] a change of password burns every token and changes the verifier', async () => {
  const harness = await withAnn()
  const phone = await harness.attach('ann')
  await harness.attach('ann', 'tablet')
  const verifier = { ...VERIFIER, storedKey: new Uint8Array(32).fill(9) }
  await harness.router.changeVerifier('ann', verifier)
  await harness.restart()
  assert.deepEqual((await harness.router.account('ann'))?.verifier.storedKey, Buffer.alloc(32, 9))
  for (const device of ['phone', 'tablet']) assert.equal(await harness.router.checkToken('ann', device, tokenHash(1)), 'invalid')
  await assert.rejects(harness.reattach(phone, 0, { usedTokenHash: tokenHash(1) }), routerError(ERROR.tokenInvalid))
  await assert.rejects(harness.router.changeVerifier('nobody', verifier), routerError(ERROR.noSuchUser))
})

void test('[TOK-4] a change of password ends every session of the user, and nobody else\'s', async () => {
  const harness = await withAnn()
  const [phone, tablet, bob] = [await harness.attach('ann'), await harness.attach('ann', 'tablet'), await harness.attach('bob')]
  await harness.router.changeVerifier('ann', { ...VERIFIER, salt: new Uint8Array(16).fill(9) })
  assert.deepEqual([phone.endedWith, tablet.endedWith, bob.endedWith], [ERROR.tokenInvalid, ERROR.tokenInvalid, 0])
  assert.deepEqual((await harness.router.devices('ann')).map(({ device, online }) => [device, online]), [['phone', false], ['tablet', false]])
})

void test('[TOK-4] a password proved before its change opens nothing after it', async () => {
  const harness = await withAnn()
  const before = VERIFIER.salt
  const after = new Uint8Array(16).fill(9)
  await harness.attach('ann', 'tablet', { verifierSalt: before })
  await harness.router.changeVerifier('ann', { ...VERIFIER, salt: after })
  await assert.rejects(harness.attach('ann', 'phone', { verifierSalt: before }), routerError(ERROR.notAuthorized))
  await harness.attach('ann', 'phone', { verifierSalt: after })
})

void test('names: added once, listed in pages, removed for ever', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('cy', 'ann', 'bob')
  await assert.rejects(harness.router.addUser('ann', VERIFIER), routerError(ERROR.conflict))
  await assert.rejects(harness.router.addUser('Ann', VERIFIER), routerError(ERROR.malformedAddress))
  const phone = await harness.attach('bob')
  phone.send('ann', 'hello')
  await harness.settle()
  const names = async (after: string, limit: number): Promise<[string[], boolean]> => {
    const page = await harness.router.users(after, limit)
    return [page.users.map(({ user, devices }) => `${user} ${String(devices)}`), page.more]
  }
  assert.deepEqual(await names('', 2), [['ann 0', 'bob 1'], true])
  assert.deepEqual(await names('bob', 2), [['cy 0'], false])
  await harness.router.removeUser('bob')
  assert.equal(phone.endedWith, ERROR.accountRemoved)
  await harness.restart()
  assert.deepEqual(await names('', 10), [['ann 0', 'cy 0'], false])
  assert.equal(await harness.router.account('bob'), null)
  assert.equal(await harness.router.account('nobody'), null)
  await assert.rejects(harness.router.addUser('bob', VERIFIER), routerError(ERROR.conflict))
  await assert.rejects(harness.router.removeUser('bob'), routerError(ERROR.noSuchUser))
  await assert.rejects(harness.attach('bob'), routerError(ERROR.accountRemoved))
  // What bob wrote stays with those he wrote to.
  assert.deepEqual((await harness.attach('ann')).texts, ['hello'])
  const ann = await harness.attach('ann', 'tablet')
  ann.send('bob', 'are you there?')
  ann.mark('bob', 1)
  await harness.settle()
  assert.deepEqual(ann.refusals.map(({ error }) => error), [ERROR.noSuchUser])
  assert.deepEqual(ann.acks.map(({ seq }) => seq), [1])
})

void test('[QUE-10] a removal that is not stored takes nothing from the queue', async () => {
  let isFailing = false
  let release = (): void => undefined
  const engine = new MemoryEngine({
    beforeCommit: () => isFailing ? Promise.reject(new Error('input/output error')) : isSlow ? new Promise<void>((resolve) => { release = resolve }) : undefined,
  })
  let isSlow = false
  const harness = await withAnn({ engine, limits: { trimEvery: 2 } })
  const [ann, bob] = [await harness.attach('ann'), await harness.attach('bob')]
  for (let i = 0; i < 4; i++) ann.send('bob', String(i))
  await harness.settle()
  // A commit that trims up to 2 is under way when the account is removed, and the removal fails.
  isSlow = true
  bob.acknowledge(2)
  await harness.pass(600)
  const removal = assert.rejects(harness.router.removeUser('bob'), routerError(ERROR.storageUnavailable))
  await harness.settle()
  isSlow = false
  release()
  isFailing = true
  await harness.settle()
  await removal
  isFailing = false
  await harness.pass(10_000)
  const back = await harness.reattach(bob, 2)
  assert.deepEqual(back.texts, ['2', '3'])
})

void test('an attach while the store fails is refused and leaves no session behind', async () => {
  let isFailing = false
  const engine = new MemoryEngine({ beforeCommit: () => { if (isFailing) throw new Error('gone') } })
  const harness = await withAnn({ engine })
  isFailing = true
  await assert.rejects(harness.attach('ann'), routerError(ERROR.storageUnavailable))
  assert.equal(harness.shard.sessions.size, 0)
  isFailing = false
  await harness.pass(10_000)
  assert.equal((await harness.attach('ann')).attached.outboxEpoch, 1)
})

void test('an attachment of another router is a programmer\'s mistake', () => {
  const harness = new ShardHarness()
  assert.throws(() => harness.router.detach({ outboxEpoch: 1 }), TypeError)
})
