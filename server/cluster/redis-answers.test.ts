import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'ioredis'
import { ClusterStoreError } from './cluster-store.js'
import { RedisAnswers, storeError } from './redis-answers.js'
import type { RedisClient } from './redis-connect.js'

/** A connection on which nothing is answered but by the test. */
class Silence {
  status = 'ready'
  disconnects = 0

  sendCommand(command: Command): Promise<unknown> {
    return command.promise
  }

  disconnect(): void {
    this.disconnects++
    this.status = 'reconnecting'
  }

  get client(): RedisClient {
    return this as unknown as RedisClient
  }
}

const LONG_MS = 60_000
const isLate = (error: unknown): boolean => error instanceof ClusterStoreError && error.code === 'unreachable' && error.message.includes('within 20 ms')

/** A timer that does not keep the process alive is all there is here. */
function alive<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 1000)
  return work.finally(() => { clearInterval(timer) })
}

test('what is not answered in time is unreachable, and the connection is made anew', async () => {
  const redis = new Silence()
  await alive(assert.rejects(new RedisAnswers().to(redis.client, new Command('PING'), 20), isLate))
  assert.equal(redis.disconnects, 1)
})

test('each command has its own time, whatever was asked before it', async () => {
  const [slow, fast, away] = [new Silence(), new Silence(), new Silence()]
  away.status = 'reconnecting'
  const answers = new RedisAnswers()
  const blocking = new Command('XREAD')
  const read = answers.to(slow.client, blocking, LONG_MS)
  await alive(Promise.all([
    assert.rejects(answers.to(fast.client, new Command('PING'), 20), isLate),
    assert.rejects(answers.to(away.client, new Command('PING'), 20), isLate),
  ]))
  assert.deepEqual([slow.disconnects, fast.disconnects, away.disconnects], [0, 1, 0])
  blocking.resolve('answer')
  assert.equal(await read, 'answer')
})

test('what is asked behind others that were answered is noticed as well', async () => {
  const redis = new Silence()
  const answers = new RedisAnswers()
  for (let number = 0; number < 3; number++) {
    const answered = new Command('PING')
    const asked = answers.to(redis.client, answered, 20)
    answered.resolve(number)
    assert.equal(await asked, number)
  }
  await alive(assert.rejects(answers.to(redis.client, new Command('PING'), 20), isLate))
  assert.equal(redis.disconnects, 1)
})

test('what Redis refuses has not happened; else it may have', () => {
  const reply = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' })
  assert.equal(storeError(reply('OOM command not allowed when used memory > \'maxmemory\'')).code, 'refused')
  assert.equal(storeError(reply('MASTERDOWN Link with MASTER is down')).code, 'unreachable')
  assert.equal(storeError(new Error('Connection is closed.')).code, 'unreachable')
  assert.equal(storeError(new Error('Connection is closed.'), 'WRONGPASS').message, 'Redis can\'t be reached: WRONGPASS')
  const ofScript = reply(`OOM command not allowed. script: ${'5a'.repeat(20)}, on @user_script:6.`)
  assert.equal(storeError(ofScript).message, 'Redis: OOM command not allowed.')
  const own = new ClusterStoreError('unreplicated', '')
  assert.equal(storeError(own), own)
})
