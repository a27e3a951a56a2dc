import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMIT } from '../../protocol/generated/registry.js'
import { mentionsIn } from './mentions.js'

test('a text for a group mentions whom it names', () => {
  assert.deepEqual(mentionsIn('#skiing', '@bob and @Carol, not @bob. (@d-e.f_g)!'), ['bob', 'carol', 'd-e.f_g'])
})

test('a name is taken as it is written, but for the end of a sentence', () => {
  assert.deepEqual(mentionsIn('#skiing', '@bob_ and @carol-, @dave... @erin.'), ['bob_', 'carol-', 'dave', 'erin'])
})

test('letters that no name has make another word', () => {
  for (const text of ['@josé', '@bоb', 'é@bob', 'andré@example.org', '@bob-é', '@bob.é', '@jose\u0301', '٣@bob']) assert.deepEqual(mentionsIn('#skiing', text), [], text)
})

test('what only looks like a name mentions nobody', () => {
  for (const text of ['bob', '@', '@ bob', 'bob@example.org', '@@bob', '@-', '@.']) assert.deepEqual(mentionsIn('#skiing', text), [], text)
})

test('where there is one other nobody has to be named', () => {
  assert.deepEqual(mentionsIn('bob', '@bob'), [])
})

test('[OPS-17] no more are mentioned than a message may mention', () => {
  const names = Array.from({ length: LIMIT.mentionsMax + 5 }, (_, at) => `user${String(at)}`)
  assert.deepEqual(mentionsIn('#skiing', names.map((name) => `@${name}`).join(' ')), names.slice(0, LIMIT.mentionsMax))
})
