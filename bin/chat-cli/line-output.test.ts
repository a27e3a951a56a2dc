import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { LineOutput, OutputClosed } from './line-output.js'

function streamThatFails(code: string): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })) })
}

test('a line resolves only when it is written', async () => {
  let finish: () => void = () => {}
  let written = ''
  const output = new LineOutput(new Writable({ write: (chunk: Buffer, _encoding, done) => { written += chunk.toString(); finish = () => done() } }))
  let isDone = false
  const line = output.line('hello').then(() => { isDone = true })
  await new Promise(setImmediate)
  assert.equal(isDone, false)
  finish()
  await line
  assert.equal(written, 'hello\n')
})

test('a reader that has gone is told as such, also for what follows', async () => {
  const output = new LineOutput(streamThatFails('EPIPE'))
  await assert.rejects(output.line('a'), OutputClosed)
  await assert.rejects(output.line('b'), OutputClosed)
})

test('any other failure keeps its code', async () => {
  await assert.rejects(new LineOutput(streamThatFails('ENOSPC')).line('a'), { code: 'ENOSPC' })
})
