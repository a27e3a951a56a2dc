/** The client's side of the ephemeral lane alone: what it sends when, and what it tells the application. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element } from '../element.js'
import { FrameDecoder } from '../frame-decoder.js'
import type { DeclineFrame, Frame, PresenceFrame, TypingFromFrame } from '../generated/frames.js'
import { ACTIVITY, ERROR, FRAME, LIMIT, PRESENCE, TYPING } from '../generated/registry.js'
import { EMPTY_BYTES } from '../bytes.js'
import { Ephemeral } from './ephemeral.js'
import type { EphemeralEvent } from './ephemeral.js'
import { privacyQuery, readPrivacy } from './privacy-elements.js'

class Bench {
  readonly lane: Ephemeral
  #frames: Frame[] = []
  #events: EphemeralEvent[] = []

  constructor() {
    const decoder = new FrameDecoder(1 << 16)
    this.lane = new Ephemeral({
      push: (bytes) => {
        decoder.push(bytes)
        const frame = decoder.next()
        assert.ok(typeof frame === 'object' && frame !== null)
        this.#frames.push(frame)
      },
      event: (event) => { this.#events.push(event) },
    })
  }

  /** What was sent since. */
  sent(): string[] {
    return this.#frames.splice(0).map((frame) => {
      switch (frame.type) {
        case FRAME.activity: return frame.activity === ACTIVITY.active ? 'active' : 'inactive'
        case FRAME.watch: return `watch ${frame.users.join(' ')}`
        case FRAME.unwatch: return `unwatch ${frame.users.join(' ')}`
        case FRAME.typing: return `typing ${frame.conversation} ${String(frame.kind)}`
        default: return String(frame.type)
      }
    })
  }

  /** What the application was told since. */
  told(): string[] {
    return this.#events.splice(0).map((event) => {
      switch (event.kind) {
        case 'presence': return `${event.presence.user} ${event.presence.isOnline ? 'online' : String(event.presence.lastSeenMs)}`
        case 'typing': return `${event.typing.conversation} ${event.typing.from} ${event.typing.kind}`
        case 'declined': return `${event.declined.what} ${event.declined.names.join(' ')} ${event.declined.error.symbol}`
      }
    })
  }
}

function presence(user: string, state: number, lastSeen = 0): PresenceFrame {
  return { type: FRAME.presence, user, state, lastSeen, extensions: EMPTY_BYTES }
}

function typing(from: string, kind: number, expiresMs: number): TypingFromFrame {
  return { type: FRAME.typingFrom, conversation: from, from, kind, expiresMs, extensions: EMPTY_BYTES }
}

function decline(frame: number, names: readonly string[], error: number, retryAfterMs = 0): DeclineFrame {
  return { type: FRAME.decline, frame, names, error, retryAfterMs, reason: '', extensions: EMPTY_BYTES }
}

test('[PRS-8] watches are sent at each welcome, in frames of 16, and what was known goes with the connection', () => {
  const bench = new Bench()
  const names = Array.from({ length: 20 }, (_, i) => `user${String(i)}`)
  assert.equal(bench.lane.watch(names), null)
  assert.equal(bench.lane.watch(['User0']), null)
  assert.deepEqual(bench.sent(), [], 'nothing goes out before there is a session')
  const expected = [`watch ${names.slice(0, 16).join(' ')}`, `watch ${names.slice(16).join(' ')}`]
  for (const round of [1, 2]) {
    bench.lane.opened()
    assert.deepEqual(bench.sent(), expected, `round ${String(round)}`)
    bench.lane.presence(presence('user0', PRESENCE.online))
    assert.equal(bench.lane.known('user0')?.isOnline, true)
    bench.lane.lost()
    assert.equal(bench.lane.known('user0'), null)
  }
})

test('watching more sends what is new alone; who is let go is told of no more', () => {
  const bench = new Bench()
  bench.lane.opened()
  bench.lane.watch(['bob', 'carol', 'bob'])
  bench.lane.watch(['Bob', 'dave'])
  assert.deepEqual(bench.sent(), ['watch bob carol', 'watch dave'])
  bench.lane.presence(presence('bob', PRESENCE.offline, 77))
  bench.lane.presence(presence('carol', PRESENCE.offline))
  assert.deepEqual(bench.told(), ['bob 77', 'carol null'])
  bench.lane.unwatch(['bob', 'nobody'])
  bench.lane.presence(presence('bob', PRESENCE.online))
  assert.deepEqual([bench.sent(), bench.told(), bench.lane.known('bob')], [['unwatch bob'], [], null])
  bench.lane.unwatch([])
  bench.lane.unwatch([])
  assert.deepEqual(bench.sent(), ['unwatch '])
  assert.equal(bench.lane.watch(['good', 'b b'])?.symbol, 'malformed-address')
  assert.equal(bench.lane.unwatch(['b b'])?.symbol, 'malformed-address')
  assert.equal(bench.lane.type(0, 'b b', 'typing')?.symbol, 'malformed-address')
  assert.deepEqual(bench.sent(), [])
})

test('[PRS-16] being inactive goes out with bind, and a change in between right behind welcome', () => {
  const bench = new Bench()
  bench.lane.binding()
  bench.lane.opened()
  assert.deepEqual(bench.sent(), [])
  bench.lane.setActive(false)
  bench.lane.setActive(false)
  assert.deepEqual(bench.sent(), ['inactive'])
  bench.lane.lost()
  bench.lane.binding()
  assert.deepEqual(bench.sent(), ['inactive'])
  bench.lane.setActive(true)
  assert.deepEqual(bench.sent(), [])
  bench.lane.opened()
  assert.deepEqual(bench.sent(), ['active'])
})

test('[PRS-14] typing ends after its time, with a pause, and with the message', () => {
  const bench = new Bench()
  bench.lane.opened()
  bench.lane.typing(1000, typing('bob', TYPING.typing, 10_000))
  bench.lane.typing(5000, typing('bob', TYPING.recording, 10_000))
  assert.deepEqual([bench.told(), bench.lane.dueMs], [['bob bob typing', 'bob bob recording'], 15_000])
  bench.lane.tick(14_999)
  assert.deepEqual(bench.told(), [])
  bench.lane.tick(15_000)
  assert.deepEqual([bench.told(), bench.lane.dueMs], [['bob bob paused'], Infinity])
  bench.lane.typing(0, typing('bob', TYPING.typing, 10_000))
  bench.lane.typing(0, typing('bob', TYPING.paused, 0))
  bench.lane.typing(0, typing('bob', TYPING.paused, 0))
  assert.deepEqual(bench.told(), ['bob bob typing', 'bob bob paused'])
  bench.lane.typing(0, typing('carol', TYPING.typing, 10_000))
  bench.lane.messageCame('carol', 'dave')
  bench.lane.messageCame('carol', 'carol')
  assert.deepEqual(bench.told(), ['carol carol typing', 'carol carol paused'])
  bench.lane.typing(0, typing('carol', 99, 10_000))
  assert.deepEqual(bench.told(), [], 'a kind of a later version is none of ours')
  bench.lane.typing(0, typing('carol', TYPING.typing, Number.MAX_SAFE_INTEGER))
  assert.ok(bench.lane.dueMs <= 60_000, 'nobody types for ever')
})

test('typing ends with its connection, and a flood of it stays bounded', () => {
  const bench = new Bench()
  bench.lane.opened()
  bench.lane.typing(0, typing('bob', TYPING.typing, 10_000))
  bench.told()
  bench.lane.lost()
  assert.deepEqual([bench.told(), bench.lane.dueMs], [['bob bob paused'], Infinity])
  for (let i = 0; i < 1000; i++) bench.lane.typing(0, typing(`user${String(i)}`, TYPING.typing, 10_000))
  bench.told()
  bench.lane.tick(10_000)
  assert.equal(bench.told().length, 256)
})

test('[PRS-16] own typing is told every few seconds, not without a connection, and anew after the message', () => {
  const bench = new Bench()
  bench.lane.type(0, 'bob', 'typing')
  bench.lane.opened()
  bench.lane.type(0, 'bob', 'paused')
  assert.deepEqual(bench.sent(), [])
  for (let nowMs = 0; nowMs < 2 * LIMIT.typingRefreshMs; nowMs += 100) bench.lane.type(nowMs, 'Bob', 'typing')
  assert.deepEqual(bench.sent(), ['typing bob 1', 'typing bob 1'])
  bench.lane.type(8000, 'bob', 'recording')
  bench.lane.type(8000, 'bob', 'paused')
  bench.lane.type(8000, 'bob', 'paused')
  bench.lane.type(8000, 'bob', 'typing')
  bench.lane.sent('bob')
  bench.lane.type(8000, 'bob', 'typing')
  assert.deepEqual(bench.sent(), ['typing bob 2', 'typing bob 3', 'typing bob 1', 'typing bob 1'])
  for (let i = 0; i < 1000; i++) bench.lane.type(8000, `user${String(i)}`, 'typing')
  assert.equal(bench.sent().length, 1000)
})

test('[PRS-15] what was declined for its rate is sent again when the time has come; what was refused is not', () => {
  const bench = new Bench()
  bench.lane.opened()
  bench.lane.watch(['bob', 'carol', 'dave'])
  bench.lane.unwatch(['dave'])
  bench.sent()
  bench.lane.declined(0, decline(FRAME.watch, ['bob', 'carol'], ERROR.rateLimited, 3000))
  bench.lane.declined(0, decline(FRAME.unwatch, ['dave'], ERROR.rateLimited, 2000))
  assert.deepEqual([bench.lane.dueMs, bench.told()], [3000, []])
  bench.lane.unwatch(['carol'])
  bench.sent()
  bench.lane.tick(2999)
  assert.deepEqual(bench.sent(), [])
  bench.lane.tick(3000)
  assert.deepEqual([bench.sent(), bench.lane.dueMs], [['unwatch carol dave', 'watch bob'], Infinity])
  bench.lane.declined(0, decline(FRAME.unwatch, [], ERROR.rateLimited, 0))
  bench.lane.tick(LIMIT.reconnectBaseMs)
  assert.deepEqual(bench.sent(), ['unwatch ', 'watch bob'])
  bench.lane.declined(0, decline(FRAME.watch, ['bob'], ERROR.tooManyWatches))
  bench.lane.declined(0, decline(FRAME.typing, ['erin'], ERROR.noSuchConversation))
  bench.lane.declined(0, decline(999, ['x'], ERROR.badRequest))
  assert.deepEqual(bench.told(), ['watch bob too-many-watches', 'typing erin no-such-conversation'])
  bench.lane.lost()
  bench.lane.opened()
  assert.deepEqual(bench.sent(), [], 'bob is not watched any more')
})

test('[PRS-17] the privacy settings are asked for and read, and an answer that makes no sense is none', () => {
  const query = privacyQuery({ seen: 'except', except: ['bob'] })
  assert.deepEqual([...query.attributes], [['seen', 'except']])
  assert.equal(privacyQuery({ online: 'nobody' }).children.length, 0)
  const except = element('except', {}, element('user', { name: 'bob' }))
  const answer = element('privacy', { seen: 'except', online: 'nobody' }, except)
  assert.deepEqual(readPrivacy(answer), { seen: 'except', online: 'nobody', except: ['bob'] })
  for (const bad of [
    element('privacy', { seen: 'except', online: 'friends' }, except), element('privacy', { seen: 'except', online: 'nobody' }),
    element('settings', { seen: 'except', online: 'nobody' }, except),
    element('privacy', { seen: 'except', online: 'nobody' }, element('except', {}, element('user'))),
  ]) assert.equal(readPrivacy(bad), null)
})
