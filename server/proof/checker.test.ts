/** The checker finds each fault that is planted, and nothing where there is none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { check } from './checker.js'
import { goodLogs, PLANTED } from './planted.js'
import type { Archive, ArchivedMessage } from './record.js'

test('logs in which all is well have no breach', () => {
  const { breaches, acknowledged, received, receipts } = check(goodLogs())
  assert.deepEqual(breaches, [])
  assert.deepEqual([acknowledged, received, receipts], [40, 80, 40])
})

for (const { name, plant, expect } of PLANTED) {
  test(`finds a fault: ${name}`, () => {
    const { breaches } = check(plant(goodLogs()))
    assert.ok(breaches.some((breach) => expect.test(breach)), `expected ${String(expect)} among ${JSON.stringify(breaches)}`)
  })
}

test('after a kill entries may come again as they were, and in no other way', () => {
  const [alice, ...others] = goodLogs()
  assert.ok(alice !== undefined)
  const messages = alice.events.filter((event) => event.kind === 'message')
  const last = messages.slice(-3)
  const again = (events: typeof last): string[] =>
    [...check([{ ...alice, events: [...alice.events, { kind: 'start', at: 1e9 }, ...events] }, ...others]).breaches]
  assert.deepEqual(again(last), [])
  assert.match(again(last.map((event) => ({ ...event, index: event.index + 100 })))[0] ?? '', /came twice/)
  assert.match(again(last.map((event) => ({ ...event, text: 'other' })))[0] ?? '', /another content/)
})

test('what was queued durably has to arrive; what was only handed over need not', () => {
  const [alice, ...others] = goodLogs()
  assert.ok(alice !== undefined)
  const send = { kind: 'send', at: 1e9, to: 'bob', text: 'late' } as const
  assert.deepEqual(check([{ ...alice, events: [...alice.events, send] }, ...others]).breaches, [])
  const queued = { kind: 'queued', at: 1e9, handle: 1, text: 'late' } as const
  assert.match(check([{ ...alice, events: [...alice.events, send, queued] }, ...others]).breaches[0] ?? '', /never arrived/)
})

test('the archive has to agree with what was seen', () => {
  const logs = goodLogs()
  const messages: ArchivedMessage[] = logs.flatMap(({ user, events }) => events.flatMap((event) =>
    event.kind === 'ack' ? [{ seq: event.seq, from: user, text: event.text, timeMs: event.timeMs }] : [])).sort((a, b) => a.seq - b.seq)
  const archive = (list: ArchivedMessage[]): Archive => new Map([['alice', new Map([['bob', list]])]])
  assert.deepEqual(check(logs, archive(messages)).breaches, [])
  assert.match(check(logs, archive(messages.slice(0, -1))).breaches[0] ?? '', /ends at 39 of 40/)
  assert.match(check(logs, archive(messages.map((message) => message.seq === 5 ? { ...message, text: 'x' } : message))).breaches[0] ?? '', /'x'/)
  assert.match(check(logs, new Map([['alice', new Map()]])).breaches[0] ?? '', /does not know the conversation/)
})
