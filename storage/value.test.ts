import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StorageError } from './engine.js'
import { ValueReader, ValueWriter } from './value.js'

const field = fc.oneof(
  fc.record({ type: fc.constant('uint' as const), value: fc.oneof(fc.nat(300), fc.maxSafeNat()) }),
  fc.record({ type: fc.constant('time' as const), value: fc.maxSafeNat() }),
  fc.record({ type: fc.constant('bool' as const), value: fc.boolean() }),
  fc.record({ type: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 600 }) }),
  fc.record({ type: fc.constant('string' as const), value: fc.string({ unit: 'grapheme', maxLength: 200 }) }),
)

test('reads back every field that was written, with one writer for many values', () => {
  const writer = new ValueWriter()
  fc.assert(fc.property(fc.array(field), (fields) => {
    for (const { type, value } of fields) {
      if (type === 'uint') writer.uint(value)
      else if (type === 'time') writer.time(value)
      else if (type === 'bool') writer.bool(value)
      else if (type === 'bytes') writer.bytes(value)
      else writer.string(value)
    }
    const reader = new ValueReader(writer.take())
    for (const { type, value } of fields) {
      assert.ok(reader.more)
      if (type === 'bytes') assert.deepEqual([...reader.bytes()], [...value])
      else assert.equal(reader[type](), value)
    }
    assert.ok(!reader.more)
  }))
})

test('a value is its own memory, not the writer\'s', () => {
  const writer = new ValueWriter()
  const first = writer.uint(1).take()
  writer.uint(2).take()
  assert.deepEqual([...first], [1])
})

test('a name that is known is not made again', () => {
  const value = new ValueWriter().string('bob').string('bob').string('rob').string('').uint(1).take()
  const reader = new ValueReader(value)
  const known = reader.name('')
  assert.deepEqual([known, reader.name(known), reader.name(known), reader.name(known), reader.uint()], ['bob', 'bob', 'rob', '', 1])
})

test('cuts fractions of a time off', () => {
  assert.equal(new ValueReader(new ValueWriter().time(12.9).take()).time(), 12)
})

test('refuses to write what is no unsigned integer', () => {
  for (const bad of [-1, 0.5, NaN, 2 ** 53]) assert.throws(() => new ValueWriter().uint(bad), RangeError)
})

test('a value that was refused half-way leaves nothing in the next', () => {
  const writer = new ValueWriter()
  assert.throws(() => writer.begin().uint(7).uint(-1), RangeError)
  assert.deepEqual([...writer.begin().uint(3).take()], [3])
})

test('any bytes are read as fields or refused as corrupt, never read past', () => {
  const kinds = fc.array(fc.constantFrom('uint', 'bool', 'time', 'bytes', 'string', 'name'), { minLength: 1, maxLength: 8 })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), kinds, (bytes, fields) => {
    const reader = new ValueReader(bytes)
    try {
      let total = 0
      for (const type of fields) {
        const value = type === 'name' ? reader.name('ab') : reader[type as 'bytes']()
        if (type === 'bytes') total += value.length
      }
      assert.ok(total <= bytes.length)
    } catch (error) {
      assert.ok(error instanceof StorageError)
      assert.equal(error.code, 'corrupt')
    }
  }), { numRuns: 2000 })
})

test('every beginning of a value is corrupt where it was cut', () => {
  const whole = new ValueWriter().uint(Number.MAX_SAFE_INTEGER).string('hello').bytes(Buffer.alloc(200)).take()
  for (let length = 0; length < whole.length; length++) {
    const reader = new ValueReader(whole.subarray(0, length))
    assert.throws(() => [reader.uint(), reader.string(), reader.bytes()], { name: 'StorageError', code: 'corrupt' })
  }
})

test('refuses numbers that are too large, too long or padded, and truth values beyond 1', () => {
  const refused = { name: 'StorageError', code: 'corrupt' }
  for (const bytes of [
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10],
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    [0x80, 0x00],
    [0x80],
  ]) assert.throws(() => new ValueReader(Buffer.from(bytes)).uint(), refused)
  assert.throws(() => new ValueReader(Buffer.from([2])).bool(), refused)
  assert.equal(new ValueReader(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f])).uint(), Number.MAX_SAFE_INTEGER)
})
