import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { userKeys } from '../../storage/user-keys.js'
import { Admission, Hold } from './holds.js'
import { Residents } from './residents.js'
import { UserState } from './user-state.js'

const NAMES = Array.from({ length: 100 }, (_, i) => `user${String(i)}`)

function residentUsers(max: number, read = (name: string): Promise<UserState> => Promise.resolve(new UserState(name, userKeys(name)))): Residents<UserState> {
  return new Residents(max, read, () => true, setImmediate)
}

void test('what is held stays, however many they are and however long it takes, and goes when it is let go', async () => {
  const users = residentUsers(10, async (name) => {
    for (let i = 0; i < Number(name.slice(4)) % 7; i++) await turn()
    return new UserState(name, userKeys(name))
  })
  const hold = new Hold()
  await hold.users(users, NAMES)
  for (let i = 0; i < 50; i++) await users.load(`other${String(i)}`)
  for (let i = 0; i < 10; i++) await turn()
  assert.ok(NAMES.every((name) => users.get(name)?.alive === true))
  hold.release()
  for (let i = 0; i < 50; i++) await users.load(`another${String(i)}`)
  for (let i = 0; i < 10; i++) await turn()
  assert.equal(users.size, 10)
})

void test('what is still being read when a hold ends is held by nobody', async () => {
  const users = residentUsers(10, async (name) => {
    if (name === 'user0') throw new Error('a damaged row')
    await turn()
    return new UserState(name, userKeys(name))
  })
  const hold = new Hold()
  await assert.rejects(hold.users(users, NAMES))
  hold.release()
  for (let i = 0; i < 5; i++) await turn()
  assert.ok(users.size > 0)
  for (const name of NAMES) assert.equal(users.get(name)?.holds ?? 0, 0)
})

void test('no more are admitted than have room, in the order of asking, and one always', async () => {
  const admission = new Admission(10)
  const entered: number[] = []
  const enter = (count: number): void => { void admission.enter(count).then(() => entered.push(count)) }
  for (const count of [200, 4, 5, 6, 1]) enter(count)
  await turn()
  assert.deepEqual(entered, [200])
  admission.leave(200)
  await turn()
  assert.deepEqual(entered, [200, 4, 5])
  admission.leave(4)
  await turn()
  assert.deepEqual(entered, [200, 4, 5])
  admission.leave(5)
  await turn()
  assert.deepEqual(entered, [200, 4, 5, 6, 1])
})
