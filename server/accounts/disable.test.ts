/** Disabled accounts, at the shard and on the wire. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeBind, encodeMessage } from '../../protocol/generated/frames.js'
import { ERROR, FRAME } from '../../protocol/generated/registry.js'
import { startServer } from '../run/run.js'
import { authenticate, errorOf, liveConfig, liveServer, login } from '../testing/live-server.js'
import { routerError, ShardHarness, tokenHash } from '../testing/shard-harness.js'

test('[INV-15] disabling ends the sessions, refuses the next, and keeps what is sent meanwhile', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob')
  const alice = await harness.attach('alice')
  const phone = await harness.attach('bob')
  const laptop = await harness.attach('bob', 'laptop', { freshTokenHash: tokenHash(2) })
  await harness.router.setDisabled('bob', true)
  assert.deepEqual([phone.endedWith, laptop.endedWith, alice.endedWith], [ERROR.accountDisabled, ERROR.accountDisabled, 0])
  await assert.rejects(harness.attach('bob'), routerError(ERROR.accountDisabled))
  assert.equal(await harness.router.checkToken('bob', 'phone', tokenHash(1)), 'disabled')
  assert.equal(await harness.router.checkToken('bob', 'phone', tokenHash(9)), 'invalid', 'whoever has no token learns nothing')
  alice.send('bob', 'for later')
  await harness.settle()
  assert.deepEqual(alice.acks.map(({ seq }) => seq), [1])
  await harness.restart()
  assert.equal((await harness.router.account('bob'))?.disabled, true)
  assert.deepEqual((await harness.router.users('', 9)).users.map(({ user, disabled }) => [user, disabled]), [['alice', false], ['bob', true]])
  await harness.router.setDisabled('bob', true)
  await harness.router.setDisabled('bob', false)
  assert.equal(await harness.router.checkToken('bob', 'phone', tokenHash(1)), 'valid')
  const back = await harness.reattach(phone, 0)
  assert.deepEqual(back.texts, ['for later'])
  await assert.rejects(harness.router.setDisabled('nobody', true), routerError(ERROR.noSuchUser))
})

test('[INV-15] a bind that is under way while the account is disabled opens nothing', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('bob')
  const binding = harness.attach('bob').then(() => 'opened', () => 'refused')
  const disabling = harness.router.setDisabled('bob', true)
  await disabling
  assert.equal(await binding, 'refused')
})

test('[INV-15] whichever of a bind and of disabling the account comes first by a hair, no session stays open', async () => {
  for (const isInMemory of [true, false]) {
    for (const isBindFirst of [true, false]) {
      const harness = new ShardHarness()
      await harness.addUsers('bob')
      if (!isInMemory) await harness.restart()
      const bind = (): Promise<unknown> => harness.attach('bob').then((device) => device.endedWith, (error: unknown) => error)
      const disable = (): Promise<void> => harness.router.setDisabled('bob', true)
      const [outcome] = isBindFirst ? await Promise.all([bind(), disable()]) : (await Promise.all([disable(), bind()])).reverse()
      if (outcome !== ERROR.accountDisabled) assert.ok(routerError(ERROR.accountDisabled)(outcome), String(outcome))
      await harness.settle()
      assert.equal(harness.shard.sessions.size, 0)
    }
  }
})

test('a bind that is under way while the account is removed opens nothing', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('bob')
  const removing = harness.router.removeUser('bob')
  const binding = harness.attach('bob').then((device) => device.endedWith, (error: unknown) => error)
  await removing
  const outcome = await binding
  if (outcome !== ERROR.accountRemoved) assert.ok(routerError(ERROR.accountRemoved)(outcome), String(outcome))
  assert.equal(harness.shard.sessions.size, 0)
})

test('[INV-15] over the wire: the session closes, the password is still checked first, and a restart changes nothing', async (t) => {
  const config = liveConfig(t)
  const server = await liveServer(t, config)
  const { client } = await login(t, server.url, 'bob')
  const { client: alice } = await login(t, server.url, 'alice')
  await server.router.setDisabled('bob', true)
  assert.equal(await errorOf(client), ERROR.accountDisabled)
  assert.equal(await errorOf(await authenticate(t, server.url, 'bob')), ERROR.accountDisabled)
  assert.equal(await errorOf(await authenticate(t, server.url, 'bob', 'wrong')), ERROR.notAuthorized)
  alice.send(encodeMessage(1, 'bob', Buffer.from('hi')))
  await alice.until(FRAME.ack)
  await server.stop()
  const second = await startServer(config)
  t.after(() => second.stop())
  const url = second.ready.listeners[0]!
  assert.equal(await errorOf(await authenticate(t, url, 'bob')), ERROR.accountDisabled)
  await second.router.setDisabled('bob', false)
  const again = await authenticate(t, url, 'bob')
  again.send(encodeBind('phone', '', 0, 0, 0, 0))
  const delivery = await again.until(FRAME.delivery)
  assert.ok(delivery.type === FRAME.delivery && Buffer.from(delivery.text).toString() === 'hi')
})
