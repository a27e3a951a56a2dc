import assert from 'node:assert/strict'
import { test } from 'node:test'
import { childOf, element, type Element, textOf } from '../../protocol/element.js'
import { encodeQuery, type Frame } from '../../protocol/generated/frames.js'
import { ERROR, FRAME, LIMIT } from '../../protocol/generated/registry.js'
import { RouterError, type StoredMessage } from '../router/router.js'
import { NO_FLAGS } from '../profiles/flags.js'
import { createHarness, type FakeTransport, names, settle } from './testing/harness.js'

const message = (seq: number, text: string, extensions: Uint8Array = new Uint8Array(0)): StoredMessage =>
  ({ seq, from: 'bob', timeMs: 1_700_000_000_000 + seq, text: Buffer.from(text), extensions, change: null, operation: null, present: null })

async function ask(transport: FakeTransport, query: Element, id = 1): Promise<Frame | undefined> {
  transport.deliver(encodeQuery(id, query))
  await settle()
  return transport.take().at(-1)
}

async function answer(transport: FakeTransport, query: Element): Promise<Element> {
  const frame = await ask(transport, query, 77)
  assert.ok(frame?.type === FRAME.result, JSON.stringify(frame))
  assert.equal(frame.id, 77)
  assert.equal(frame.element.name, query.name)
  return frame.element
}

const attributes = (item: Element | string): Record<string, string> => typeof item === 'string' ? {} : Object.fromEntries(item.attributes)

test('[HIS-1] answers history with messages, their texts and optional extensions', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  harness.router.page = { messages: [message(6, 'hi'), message(7, 'ho', Uint8Array.from([9, 2, 0xca, 0xfe]))], more: true, tail: 9 }
  const history = await answer(transport, element('history', { with: 'BOB', after: 5, limit: 20, unknown: 'x' }, element('unknown')))
  assert.deepEqual(attributes(history), { with: 'bob', more: 'true', tail: '9' })
  assert.deepEqual(history.children.map(attributes), [
    { seq: '6', from: 'bob', time: '1700000000006' }, { seq: '7', from: 'bob', time: '1700000000007' },
  ])
  const [first, second] = history.children
  assert.ok(typeof first === 'object' && typeof second === 'object')
  assert.equal(textOf(childOf(first, 'body')!), 'hi')
  assert.deepEqual([attributes(childOf(second, 'x')!), textOf(childOf(second, 'x')!)], [{ key: '9' }, 'yv4='])
  assert.deepEqual(harness.router.historyRequests, [{ after: 5, limit: 20 }])
})

test('[HIS-1] passes all bounds on, and cuts the limit', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  await answer(transport, element('history', { with: 'bob', before: 9, since: 3, until: 4, limit: 5000 }))
  await answer(transport, element('history', { with: '#team' }))
  assert.deepEqual(harness.router.historyRequests, [{ before: 9, sinceMs: 3, untilMs: 4, limit: 100 }, { limit: 50 }])
})

test('[HIS-1] cuts a page that would not fit into a frame at its far end, and says that there is more', async () => {
  const harness = createHarness({ limits: { frameBytesMax: 16_384 } })
  const { transport } = await harness.open()
  harness.router.page = { messages: Array.from({ length: 50 }, (_, i) => message(i + 1, 'é'.repeat(700))), more: false, tail: 50 }
  const upwards = await answer(transport, element('history', { with: 'bob', after: 0 }))
  const downwards = await answer(transport, element('history', { with: 'bob' }))
  const seqs = (history: Element): number[] => history.children.map((child) => Number(attributes(child)['seq']))
  assert.ok(seqs(upwards).length >= 8 && seqs(upwards).length < 12)
  assert.equal(seqs(upwards)[0], 1)
  assert.equal(seqs(downwards).at(-1), 50)
  assert.equal(seqs(downwards)[0], 51 - seqs(downwards).length)
  assert.equal(attributes(upwards)['more'], 'true')
  assert.equal(attributes(downwards)['more'], 'true')
  assert.ok(transport.writes.every((size) => size <= 16_384 + 3))
})

test('[HIS-3] [PRF-16] answers conversations with watermarks and the last message', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  harness.router.summaries = [
    {
      conversation: 'bob', tail: 9, last: message(9, 'bye'), read: 7, unread: 2, flags: { mutedUntilMs: 5, isArchived: true, isPinned: true, isMarked: true },
      profileVersion: 7, timerMs: 0, others: [{ member: 'bob', delivered: 9, read: 8 }], group: null,
    },
    { conversation: 'carol', tail: 0, last: null, read: 0, unread: 0, flags: NO_FLAGS, profileVersion: 0, timerMs: 0, others: [], group: null },
  ]
  const list = await answer(transport, element('conversations', { after: 'alice', limit: 2 }))
  assert.deepEqual(attributes(list), { more: 'false' })
  const [bob, carol] = list.children
  assert.ok(typeof bob === 'object' && typeof carol === 'object')
  assert.deepEqual(attributes(bob), {
    with: 'bob', tail: '9', read: '7', unread: '2', profile: '7', mute: '5', archived: 'true', pinned: 'true', marked: 'true',
  })
  assert.deepEqual(attributes(carol), { with: 'carol', tail: '0', read: '0', unread: '0' })
  assert.equal(textOf(childOf(childOf(bob, 'last')!, 'body')!), 'bye')
  assert.deepEqual(attributes(childOf(bob, 'member')!), { name: 'bob', delivered: '9', read: '8' })
  assert.equal(childOf(carol, 'last'), null)
})

test('answers receipts', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  harness.router.members = [{ member: 'bob', delivered: 3, read: 1 }]
  const receipts = await answer(transport, element('receipts', { with: 'Bob' }))
  assert.deepEqual([attributes(receipts), receipts.children.map(attributes)], [{ with: 'bob' }, [{ name: 'bob', delivered: '3', read: '1' }]])
})

test('[DEV-1] answers devices and says which one asks', async () => {
  const harness = createHarness()
  const { transport } = await harness.open('alice', 'phone')
  harness.router.infos = [
    { device: 'phone', name: 'Pixel', createdMs: 5, lastActiveMs: 6, online: true },
    { device: 'tablet', name: '', createdMs: 7, lastActiveMs: 8, online: false },
  ]
  assert.deepEqual((await answer(transport, element('devices'))).children.map(attributes), [
    { 'id': 'phone', 'name': 'Pixel', 'created': '5', 'last-active': '6', 'current': 'true', 'online': 'true' },
    { 'id': 'tablet', 'name': '', 'created': '7', 'last-active': '8', 'current': 'false', 'online': 'false' },
  ])
})

test('[DEV-2] [411 no-such-device] removes another device; one that is not there fails', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  const removed: string[] = []
  harness.router.onRemoveDevice = (device) => removed.push(device)
  assert.deepEqual(attributes(await answer(transport, element('remove-device', { id: 'Tablet' }))), { id: 'tablet' })
  assert.deepEqual(removed, ['tablet'])
  harness.router.failure = new RouterError(ERROR.noSuchDevice, '')
  const fail = await ask(transport, element('remove-device', { id: 'watch' }))
  assert.ok(fail?.type === FRAME.fail && fail.error === ERROR.noSuchDevice)
})

test('[QUE-15] [241 device-removed] answers logout before it closes, also where the shard ends the session first', async () => {
  for (const query of [element('logout'), element('remove-device', { id: 'phone' })]) {
    const harness = createHarness()
    const { transport, place } = await harness.open('alice', 'phone')
    harness.router.onRemoveDevice = () => place.sink.ended(ERROR.deviceRemoved)
    transport.deliver(encodeQuery(1, query))
    await settle()
    assert.deepEqual(names(transport.frames), ['result', 'close'])
    assert.equal(transport.closedWith, ERROR.deviceRemoved)
  }
})

test('[QUE-15] a logout that finds the device gone does not keep the session from ending', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open('alice', 'phone')
  let removals = 0
  harness.router.onRemoveDevice = () => {
    if (++removals > 1) throw new RouterError(ERROR.noSuchDevice, '')
    place.sink.ended(ERROR.deviceRemoved)
  }
  transport.deliver(encodeQuery(1, element('logout')), encodeQuery(2, element('remove-device', { id: 'phone' })))
  await settle()
  assert.deepEqual(names(transport.frames), ['result', 'fail', 'close'])
  assert.equal(transport.closedWith, ERROR.deviceRemoved)
})

test('[QUE-15] [107 storage-unavailable] a logout that could not be written ends the session all the same, and says that the device may come back', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open('alice', 'phone')
  harness.router.onRemoveDevice = () => {
    place.sink.ended(ERROR.deviceRemoved)
    throw new RouterError(ERROR.storageUnavailable, '')
  }
  transport.deliver(encodeQuery(1, element('logout')))
  await settle()
  assert.deepEqual(names(transport.frames), ['fail', 'close'])
  assert.equal(transport.closedWith, ERROR.storageUnavailable)
})

test('[SET-2] tells the limits that are in force', async () => {
  const { transport } = await createHarness({ limits: { editAgeMs: 60_000, groupMembersMax: 12 } }).open()
  assert.deepEqual(attributes(await answer(transport, element('limits'))), {
    editAgeMs: '60000', deleteAgeMs: String(LIMIT.deleteAgeMs), devicesMax: '10', groupMembersMax: '12', groupsMax: '1000', contactsMax: '10000', blockedMax: '10000',
  })
})

test('[SET-1] [400 bad-request] reads and changes settings', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  assert.deepEqual(attributes(await answer(transport, element('settings'))), { 'read-receipts': 'on' })
  assert.deepEqual(attributes(await answer(transport, element('settings', { 'read-receipts': 'off' }))), { 'read-receipts': 'off' })
  assert.equal(harness.router.readReceipts, false)
  const fail = await ask(transport, element('settings', { 'read-receipts': 'maybe' }))
  assert.ok(fail?.type === FRAME.fail && fail.error === ERROR.badRequest)
})

test('[QRY-3] [412 unsupported-query] [400 bad-request] [401 malformed-address] [404 no-such-conversation] [301 unavailable] fails with a code, and goes on', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  const cases: [Element, number, Error | null][] = [
    [element('weather'), ERROR.unsupportedQuery, null],
    [element('history'), ERROR.badRequest, null],
    [element('history', { with: 'bob', after: 'x' }), ERROR.badRequest, null],
    [element('history', { with: 'bob', limit: 0 }), ERROR.badRequest, null],
    [element('history', { with: 'bob or so' }), ERROR.malformedAddress, null],
    [element('conversations', { after: '!' }), ERROR.malformedAddress, null],
    [element('remove-device'), ERROR.badRequest, null],
    [element('remove-device', { id: '/' }), ERROR.malformedAddress, null],
    [element('history', { with: 'bob' }), ERROR.noSuchConversation, new RouterError(ERROR.noSuchConversation, '')],
    [element('history', { with: 'bob' }), ERROR.unavailable, new RouterError(ERROR.storageUnavailable, '')],
    [element('devices'), ERROR.unavailable, new Error('a mistake')],
  ]
  for (const [query, code, failure] of cases) {
    harness.router.failure = failure
    const frame = await ask(transport, query, 5)
    assert.ok(frame?.type === FRAME.fail, JSON.stringify(frame))
    assert.deepEqual([frame.id, frame.error], [5, code])
    assert.doesNotMatch(frame.reason, /mistake/)
  }
  assert.equal(transport.endedWith, 0)
})

test('[300 rate-limited] refuses queries above their rate and says when they are welcome again', async () => {
  const harness = createHarness({ rate: { queriesPerSecond: 2, queriesBurst: 2 } })
  const { transport } = await harness.open()
  await answer(transport, element('settings'))
  await answer(transport, element('settings'))
  const fail = await ask(transport, element('settings'))
  assert.ok(fail?.type === FRAME.fail && fail.error === ERROR.rateLimited && fail.retryAfterMs === 500)
  harness.clock.ms += 500
  await answer(transport, element('settings'))
})

test('[QRY-2] [208 too-many-unacknowledged] closes at one query more than may wait', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  let open: () => void = () => {}
  harness.router.gate = new Promise((resolve) => { open = resolve })
  transport.deliver(...Array.from({ length: LIMIT.queriesMax }, (_, i) => i + 1).map((id) => encodeQuery(id, element('settings'))))
  await settle()
  assert.equal(transport.endedWith, 0)
  transport.deliver(encodeQuery(LIMIT.queriesMax + 1, element('settings')))
  await settle()
  assert.equal(transport.closedWith, ERROR.tooManyUnacknowledged)
  open()
  await settle()
})
