import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Command } from 'ioredis'
import { PackedScript } from './packed-command.js'

const KEYS = ['chatd:{a:0}:fence', 'chatd:{a:0}:log']
const SHA = '0123456789abcdef0123456789abcdef01234567'
const ascii = fc.string({ unit: 'grapheme-ascii' })
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))

function unpacked(values: readonly (string | Buffer)[]): Command {
  return new Command('evalsha', [SHA, '2', ...KEYS, ...values], { replyEncoding: null })
}

test('a packed command is what ioredis makes of the same arguments', () => {
  const script = new PackedScript(SHA, KEYS)
  fc.assert(fc.property(fc.array(fc.oneof(ascii, bytes), { maxLength: 12 }), (values) => {
    assert.deepEqual(Buffer.from(script.command(values).toWritable({})), Buffer.from(unpacked(values).toWritable({})))
  }))
})

test('a Redis Cluster is asked for the slot of its keys', () => {
  const packed = new PackedScript(SHA, KEYS).command(['value'])
  assert.deepEqual(packed.getKeys(), KEYS)
  assert.equal(packed.getSlot(), unpacked(['value']).getSlot())
})

test('the values may be changed once it is made', () => {
  const value = Buffer.from('entry')
  const packed = new PackedScript(SHA, KEYS).command([value])
  value.fill(0)
  assert.ok(packed.toWritable({}).includes('entry'))
})
