import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effect, ScreenState, ShownMessage } from './screen-state.js'
import { newScreenState } from './screen-state.js'
import { nextExpiryMs } from './screen-expiry.js'
import { update } from './screen-update.js'
import { lineWithoutStyle, render } from './screen-view.js'

const NOW = Date.UTC(2026, 0, 1, 12)
const HOUR_MS = 3_600_000

function screen(): ScreenState {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  update(state, { kind: 'connection', connection: 'online', detail: '' })
  return state
}

function type(state: ScreenState, text: string): Effect[] {
  update(state, { kind: 'paste', text })
  return update(state, { kind: 'key', key: { name: 'return', ctrl: false, meta: false, text: '' } })
}

function shown(state: ScreenState): string {
  return render(state, NOW).lines.map(lineWithoutStyle).join('\n')
}

function message(seq: number, text: string, expiresMs = 0): ShownMessage {
  return { seq, from: 'bob', own: false, timeMs: NOW, text, isIncomplete: false, expiresMs }
}

test('[DIS-8] what disappears goes from the conversation, the list and the unread when its time is up, and not before', () => {
  const state = screen()
  update(state, { kind: 'message', conversation: 'bob', message: message(1, 'stays') })
  update(state, { kind: 'message', conversation: 'bob', message: message(2, 'soon gone', NOW + HOUR_MS) })
  assert.equal(nextExpiryMs(state), NOW + HOUR_MS)
  assert.match(shown(state), /soon gone/)
  update(state, { kind: 'expire', nowMs: NOW + HOUR_MS - 1 })
  assert.match(shown(state), /soon gone/)
  update(state, { kind: 'expire', nowMs: NOW + HOUR_MS })
  assert.doesNotMatch(shown(state), /soon gone/)
  assert.match(shown(state), /disappeared/)
  assert.equal(nextExpiryMs(state), Infinity)
  type(state, '/to bob')
  update(state, { kind: 'history', conversation: 'bob', messages: [message(1, 'stays'), message(2, '', NOW + HOUR_MS)], more: false, tail: 2 })
  assert.match(shown(state), /stays/)
  assert.doesNotMatch(shown(state), /soon gone|deleted/)
})

test('[DIS-8] an own message disappears by what its ack said, and its quote with it', () => {
  const state = screen()
  type(state, '/to bob')
  update(state, { kind: 'history', conversation: 'bob', messages: [], more: false })
  const [effect] = type(state, 'mine').filter(({ kind }) => kind === 'send')
  assert.ok(effect?.kind === 'send')
  update(state, { kind: 'sent', localId: effect.localId, to: 'bob', seq: 1, timeMs: NOW, expiresMs: NOW + HOUR_MS })
  update(state, { kind: 'message', conversation: 'bob', message: { ...message(2, 'answer'), replyTo: 1 } })
  assert.match(shown(state), /↪ you: mine/)
  update(state, { kind: 'expire', nowMs: NOW + HOUR_MS })
  assert.doesNotMatch(shown(state), /mine/)
  assert.match(shown(state), /answer/)
})

test('/timer asks for and changes the timer of the open conversation', () => {
  const state = screen()
  const people = (effects: readonly Effect[]): unknown[] => effects.flatMap((effect) => effect.kind === 'people' ? [effect.action] : [])
  assert.deepEqual(people(type(state, '/timer 7d')), [])
  assert.match(shown(state), /open the conversation first/)
  type(state, '/to bob')
  assert.deepEqual(people(type(state, '/timer')), [{ kind: 'timer-get', conversation: 'bob' }])
  assert.deepEqual(people(type(state, '/timer 7d')), [{ kind: 'timer-set', conversation: 'bob', afterMs: 7 * 24 * HOUR_MS }])
  assert.deepEqual(people(type(state, '/timer off')), [{ kind: 'timer-set', conversation: 'bob', afterMs: 0 }])
  assert.deepEqual(people(type(state, '/timer soon')), [])
  assert.match(shown(state), /'soon' is neither off nor a time like/)
})
