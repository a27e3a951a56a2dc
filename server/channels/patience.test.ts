import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { routerError } from '../testing/shard-harness.js'
import { TestTime } from '../testing/test-time.js'
import { Patience, SILENT_MAX_MS } from './patience.js'

const ANSWER_MS = 3000

function rig() {
  const time = new TestTime()
  const patience = new Patience(time.scheduler(() => true))
  let asked = 0
  const ask = (shard: number, question: Promise<string>): Promise<string> => patience.ask(shard, ANSWER_MS, () => {
    asked++
    return question
  })
  return { time, ask, get asked() { return asked } }
}

const never = new Promise<string>(() => undefined)

void test('an answer in time is the answer, and so is a rejection', async () => {
  const { time, ask } = rig()
  assert.equal(await ask(1, Promise.resolve('yes')), 'yes')
  await assert.rejects(ask(1, Promise.reject(new Error('no'))), /no/)
  await time.pass(ANSWER_MS)
  assert.equal(await ask(1, Promise.resolve('yes')), 'yes')
})

void test('a shard that says nothing is not asked again until it has answered', async () => {
  const all = rig()
  const { time, ask } = all
  let answer: (text: string) => void = () => undefined
  const refused = assert.rejects(ask(1, new Promise((resolve) => { answer = resolve })), routerError(ERROR.unavailable))
  await time.pass(ANSWER_MS)
  await refused
  await assert.rejects(ask(1, Promise.resolve('yes')), routerError(ERROR.unavailable))
  assert.equal(all.asked, 1)
  assert.equal(await ask(2, Promise.resolve('others are')), 'others are')
  answer('too late')
  await time.settle()
  assert.equal(await ask(1, Promise.resolve('yes')), 'yes')
})

void test('a shard that never answers is asked again after a while', async () => {
  const { time, ask } = rig()
  const refused = assert.rejects(ask(1, never), routerError(ERROR.unavailable))
  await time.pass(ANSWER_MS)
  await refused
  await time.pass(SILENT_MAX_MS - 1)
  await assert.rejects(ask(1, Promise.resolve('yes')), routerError(ERROR.unavailable))
  await time.pass(1)
  assert.equal(await ask(1, Promise.resolve('yes')), 'yes')
})
