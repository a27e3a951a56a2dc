import assert from 'node:assert/strict'
import { test } from 'node:test'
import { childOf, element } from '../../protocol/element.js'
import {
  encodeActivity, encodeMessage, encodePresence, encodeQuery, encodeTyping, encodeUnwatch, encodeWatch,
} from '../../protocol/generated/frames.js'
import { ACTIVITY, ERROR, FRAME, PRESENCE, TYPING } from '../../protocol/generated/registry.js'
import { createHarness, flight, HELLO, names, settle } from './testing/harness.js'

test('[PRS-5] hands the ephemeral lane to the router, and its news to the device', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open()
  transport.deliver(encodeActivity(ACTIVITY.inactive), encodeWatch(['bob', 'carol']), encodeUnwatch(['bob']), encodeTyping('bob', TYPING.typing))
  assert.deepEqual(harness.router.calls, ['activity 2', 'watch bob carol', 'unwatch bob', 'typing bob 1'])
  assert.equal(place.sink.presence('bob', PRESENCE.online, 0), true)
  place.sink.typing('bob', 'bob', TYPING.recording, 10_000)
  place.sink.declined(FRAME.watch, ['x'.repeat(1000)], ERROR.malformedAddress, 0)
  await settle()
  const [presence, typing, decline] = transport.take()
  assert.ok(presence?.type === FRAME.presence && typing?.type === FRAME.typingFrom && decline?.type === FRAME.decline)
  assert.deepEqual([presence.user, presence.state, presence.lastSeen], ['bob', PRESENCE.online, 0])
  assert.deepEqual([typing.conversation, typing.from, typing.kind, typing.expiresMs], ['bob', 'bob', TYPING.recording, 10_000])
  assert.deepEqual([decline.frame, decline.names, decline.error], [FRAME.watch, ['x'.repeat(129)], ERROR.malformedAddress])
})

test('[PRS-2] a device may say that it is inactive in the flight of its bind', async () => {
  const harness = createHarness()
  const transport = harness.connect()
  transport.deliver(flight('alice', 'phone', harness.tokenFor('alice', 'phone')), encodeActivity(ACTIVITY.inactive))
  await settle()
  assert.deepEqual(names(transport.take()), ['features', 'authenticated', 'welcome'])
  assert.deepEqual(harness.router.calls, ['activity 2'])
})

test('[FRM-10] a stranger watches nobody, and no client tells presence', async () => {
  const harness = createHarness()
  const stranger = harness.connect()
  stranger.deliver(HELLO, encodeWatch(['bob']))
  assert.equal(stranger.closedWith, ERROR.unexpectedFrame)
  const { transport } = await harness.open()
  transport.deliver(encodePresence('bob', PRESENCE.online, 0))
  assert.equal(transport.closedWith, ERROR.unexpectedFrame)
})

test('[PRS-15] over its rate watching is declined as a whole and typing dropped; a message passes all the same', async () => {
  const harness = createHarness({ rate: { ephemeralPerSecond: 10, ephemeralBurst: 20 } })
  const { transport } = await harness.open()
  const ten = Array.from({ length: 10 }, (_, i) => `user${String(i)}`)
  transport.deliver(encodeWatch(ten), encodeUnwatch(ten), encodeWatch(ten), encodeUnwatch([]), encodeTyping('bob', TYPING.typing))
  transport.deliver(encodeActivity(ACTIVITY.inactive), encodeMessage(1, 'bob', Buffer.from('hi')))
  assert.deepEqual(harness.router.calls, [`watch ${ten.join(' ')}`, `unwatch ${ten.join(' ')}`, 'activity 2', 'message 1 bob hi'])
  await settle()
  const declines = transport.take().map((frame) => frame.type === FRAME.decline ? [frame.frame, frame.names.length, frame.error, frame.retryAfterMs] : [])
  assert.deepEqual(declines, [[FRAME.watch, 10, ERROR.rateLimited, 1000], [FRAME.unwatch, 0, ERROR.rateLimited, 100]])
  harness.clock.ms += 1000
  transport.deliver(encodeWatch(ten))
  assert.equal(harness.router.calls.at(-1), `watch ${ten.join(' ')}`)
})

test('[PRS-1] while the connection takes nothing the lane is dropped, and the sink says so', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open()
  transport.isWritable = false
  place.sink.acked(1, 1, 0)
  await settle()
  transport.take()
  for (let i = 0; i < 1000; i++) {
    assert.equal(place.sink.presence('bob', PRESENCE.online, 0), false)
    place.sink.typing('bob', 'bob', TYPING.typing, 10_000)
    place.sink.declined(FRAME.watch, ['b b'], ERROR.malformedAddress, 0)
  }
  place.sink.acked(2, 2, 0)
  transport.isWritable = true
  transport.handler?.drained()
  await settle()
  assert.deepEqual(names(transport.take()), ['ack'])
  assert.equal(harness.counters.ephemeralDropped, 3000)
  assert.equal(place.sink.presence('bob', PRESENCE.online, 0), true)
})

test('[PRS-17] privacy tells and changes the settings, and refuses what makes no sense', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  const except = (...users: string[]): ReturnType<typeof element> => element('except', {}, ...users.map((name) => element('user', { name })))
  transport.deliver(
    encodeQuery(1, element('privacy')),
    encodeQuery(2, element('privacy', { seen: 'except' }, except('bob', 'carol'))),
    encodeQuery(3, element('privacy', {}, except())),
    encodeQuery(4, element('privacy', { online: 'friends' })),
    encodeQuery(5, element('privacy', {}, element('except', {}, element('user')))),
    encodeQuery(6, element('privacy', {}, element('except', {}, 'bob'))),
  )
  await settle()
  const answers = transport.take().map((frame) => {
    if (frame.type === FRAME.fail) return [frame.id, frame.error]
    if (frame.type !== FRAME.result) return []
    const { attributes } = frame.element
    return [frame.id, attributes.get('seen'), attributes.get('online'), childOf(frame.element, 'except')?.children.length]
  })
  assert.deepEqual(answers.sort(([one], [other]) => Number(one) - Number(other)), [
    [1, 'everybody', 'everybody', 0], [2, 'except', 'everybody', 2], [3, 'except', 'everybody', 0],
    [4, ERROR.badRequest], [5, ERROR.badRequest], [6, ERROR.badRequest],
  ])
})
