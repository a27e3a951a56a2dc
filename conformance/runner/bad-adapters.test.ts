/** What becomes of a run whose adapter is at fault: a verdict that says so, in bounded time, and nothing left behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rootFolder } from '../spec/registry.js'
import { loadCases } from './load.js'
import { PipeAdapters } from './pipe-adapter.js'
import { runCases } from './run.js'
import type { Result } from './verdict.js'

const [aCase] = loadCases().filter(({ id }) => id === 'state/messages/a-message-comes')
const [optional] = loadCases().filter(({ id }) => id === 'state/presence/watches')

/** An adapter in a few lines of JavaScript; `answer` makes the answer's text of a request. */
function scripted(answer: string): string[] {
  return [process.execPath, '-e', `
    const answer = ${answer}
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const text = answer(JSON.parse(line))
      if (text !== undefined) process.stdout.write(text + '\\n')
    })`]
}

async function play(command: readonly string[], one = aCase!, slowness = 1): Promise<Result> {
  const [result] = await runCases([one], { adapters: new PipeAdapters(command, rootFolder), seed: '1', slowness, parallel: 1, onResult: () => {} })
  return result!
}

const all = `['start', 'connect', 'send', 'dump']`
const ok = `JSON.stringify({ id: request.id, features: ${all} })`

test('an adapter that cannot be started is a crash, and says why', async () => {
  const { verdict, failure } = await play(['/nowhere/adapter'])
  assert.equal(verdict, 'CRASH')
  assert.match(failure?.came ?? '', /cannot be started/)
})

test('an adapter that ends is a crash, with its code and what it wrote to stderr', async () => {
  const { verdict, failure } = await play(scripted(`() => { console.error('out of luck'); process.exit(7) }`))
  assert.equal(verdict, 'CRASH')
  assert.match(failure?.came ?? '', /code 7/)
  assert.match(failure?.stderr ?? '', /out of luck/)
})

test('an adapter that ends while the client is waited for is a crash, not a timeout', async () => {
  const { verdict, durationMs } = await play(scripted(`(request) => { if (request.do === 'connect') setTimeout(() => process.exit(3), 100); return ${ok} }`))
  assert.equal(verdict, 'CRASH')
  assert.ok(durationMs < 4000)
})

test('an adapter that writes something else to stdout is a crash', async () => {
  const { verdict, failure } = await play(scripted(`() => 'hello, I am a log line'`))
  assert.equal(verdict, 'CRASH')
  assert.match(failure?.came ?? '', /hello, I am a log line/)
})

test('an adapter that writes a line without end is a crash, and fills no memory', async () => {
  const { verdict, failure } = await play(scripted(`() => { const piece = 'x'.repeat(1 << 20); const more = () => process.stdout.write(piece, more); more() }`))
  assert.equal(verdict, 'CRASH')
  assert.match(failure?.came ?? '', /too long/)
})

test('an adapter that never answers is a timeout', async () => {
  const { verdict, failure } = await play(scripted('() => undefined'), aCase, 0.05)
  assert.equal(verdict, 'TIMEOUT')
  assert.match(failure?.came ?? '', /did not answer "features"/)
})

test('a client that does not connect is a timeout, and the case tells the requirement, the step and what came', async () => {
  const { verdict, failure } = await play(scripted(`(request) => ${ok}`), aCase, 0.1)
  assert.equal(verdict, 'TIMEOUT')
  assert.deepEqual({ ...failure, stderr: '' }, { requirements: ['QUE-4', 'QUE-13'], expected: 'the client to connect', came: 'it did not', step: 2, stderr: '' })
})

test('what the adapter cannot do is unsupported where it is optional, and fails where it is not', async () => {
  assert.equal((await play(scripted(`(request) => ${ok}`), optional)).verdict, 'UNSUPPORTED')
  const lazy = scripted(`(request) => JSON.stringify(request.do === 'connect' ? { id: request.id, unsupported: true } : { id: request.id, features: ${all} })`)
  const { verdict, failure } = await play(lazy)
  assert.equal(verdict, 'FAIL')
  assert.equal(failure?.came, 'unsupported')
})

test('a client that breaks a rule fails by that rule, whatever the case is about', async () => {
  const rude = scripted(`(request) => {
    if (request.do === 'start') globalThis.port = Number(request.server.split(':')[2])
    // A ping is allowed at any time, a cursor before anything else is not.
    if (request.do === 'connect') require('node:net').connect(globalThis.port, '127.0.0.1').write(Buffer.from('022201', 'hex'))
    return ${ok}
  }`)
  const { verdict, failure } = await play(rude)
  assert.equal(verdict, 'FAIL')
  assert.deepEqual(failure?.requirements, ['OPN-1'])
})
