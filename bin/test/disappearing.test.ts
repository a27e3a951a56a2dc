/** Disappearing messages as people use them: from terminal to terminal, with real time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MessageJson } from './harness.js'
import { type Place, placeForFile } from './harness.js'

let place: Place
placeForFile(async (made) => {
  place = made
  await place.start('tcp')
  await place.addUsers('alice', 'bob')
})

type Line = MessageJson & { readonly expires?: number, readonly change?: { readonly name: string, readonly attributes: Record<string, string> } }

test('a timer is set, shown to both, and what was sent under it is gone when its time is up, for who was away too', async () => {
  await place.send('alice', 'bob', ['stays'])
  assert.deepEqual(await place.chat('timer bob', 'alice', []).finish(), ['new messages stay'])
  assert.deepEqual(await place.chat('timer bob 5s', 'alice', ['--json']).finishJson(), [{ conversation: 'bob', after: 5000, seq: 2 }])
  assert.deepEqual(await place.chat('timer alice', 'bob', []).finish(), ['new messages disappear after 5 seconds'])
  await place.send('alice', 'bob', ['soon gone'])
  const history = await place.chat('history', 'bob', ['--with', 'alice', '--json']).finishJson<Line>()
  assert.deepEqual(history.map(({ text, change }) => change === undefined ? text : `${change.name} ${change.attributes['after'] ?? ''}`), ['stays', 'timer 5000', 'soon gone'])
  const expires = history[2]?.expires ?? 0
  assert.equal(expires, (history[2]?.time ?? 0) + 5000)
  // Its time has to pass: there is no other way to see that it is gone.
  await sleep(Math.max(0, expires - Date.now()) + 50)
  const late = await place.receive('bob', 3) as Line[]
  assert.deepEqual(late.map(({ seq, text, expires: due }) => [seq, text, due]), [[1, 'stays', undefined], [2, undefined, undefined], [3, '', expires]])
  assert.match((await place.chat('history', 'alice', ['--with', 'bob']).finish()).at(-1) ?? '', /alice → bob: \[disappeared\]$/)
  assert.deepEqual(await place.chat('timer alice off', 'bob', []).finish(), [])
  const refused = place.chat('timer alice 1s', 'bob', [])
  await refused.finish(1)
  assert.match(refused.stderr, /disappear after 5 seconds at least and 365 days at most/)
})
