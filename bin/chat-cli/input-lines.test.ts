import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { ChatFailure } from './failure.js'
import type { InputLine } from './input-lines.js'
import { inputLines } from './input-lines.js'

async function read(...chunks: readonly Buffer[]): Promise<InputLine[]> {
  const lines: InputLine[] = []
  for await (const line of inputLines(Readable.from(chunks, { objectMode: false }))) lines.push(line)
  return lines
}

test('lines come whole however the stream was cut, even within a character', async () => {
  const bytes = Buffer.from('one\r\nzwölf\n\nlast 你')
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const lines = await read(bytes.subarray(0, cut), bytes.subarray(cut))
    assert.deepEqual(lines.map((line) => line.text), ['one', 'zwölf', '', 'last 你'])
    assert.deepEqual(lines.map((line) => line.number), [1, 2, 3, 4])
  }
})

test('an empty stream has no lines, and a line end at the end begins no further one', async () => {
  assert.deepEqual(await read(Buffer.from('')), [])
  assert.deepEqual((await read(Buffer.from('a\n'))).length, 1)
})

test('a line without an end is refused before it fills the memory', async () => {
  await assert.rejects(read(Buffer.alloc(70_000, 'x')), ChatFailure)
})
