import assert from 'node:assert/strict'
import { PassThrough, Writable } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { textWidth } from './text-width.js'
import { barText, Progress } from './upload-progress.js'
import type { World } from './world.js'

test('the bar shows name, share and sizes, and never wraps, however narrow the terminal', () => {
  assert.equal(barText('beach.jpg', 1_120_000, 2_481_234, 80), `beach.jpg [${'#'.repeat(14)}${' '.repeat(16)}]  45 %  1.1 MiB of 2.4 MiB`)
  assert.match(barText('beach.jpg', 10, 10, 0), /^beach\.jpg \[#{30}\] 100 % {2}10 bytes of 10 bytes$/)
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.nat(1_000_000), fc.integer({ min: 1, max: 200 }), (name, sent, columns) => {
    const bar = barText(name, sent, 1_000_000, columns)
    assert.ok(textWidth(bar) < Math.max(columns, 1) || columns === 1, `${bar} in ${columns}`)
  }))
})

function bench(isTTY: boolean): { progress: Progress; errors: () => string; lines: string[]; clock: { nowMs: number } } {
  let errors = ''
  const lines: string[] = []
  const clock = { nowMs: 0 }
  const stderr = Object.assign(new Writable({ write: (chunk: Buffer, _encoding, done) => { errors += chunk.toString(); done() } }), { isTTY, columns: 60 })
  const world: World = {
    stdin: new PassThrough(), stdout: new PassThrough(), stderr, environment: {}, hostName: 'h', homeDirectory: '/', stop: new AbortController().signal,
  }
  const output = { line: async (text: string) => { lines.push(text) } }
  return { progress: new Progress({ kind: 'upload', world, output, nowMs: () => clock.nowMs }), errors: () => errors, lines, clock }
}

test('lines for scripts come at a bounded pace, and the last one always', () => {
  const { progress, errors, lines, clock } = bench(false)
  progress.begin('a')
  for (let sent = 0; sent <= 1000; sent++) {
    clock.nowMs += 1
    progress.show(sent, 1000)
  }
  progress.show(1000, 1000)
  assert.deepEqual(lines.map((line) => (JSON.parse(line) as { sent: number }).sent), [0, 500, 1000])
  assert.equal(errors(), '', 'no bar where there is no terminal')
})

test('the bar is redrawn in its line, ten times a second at most, and taken away', () => {
  const { progress, errors, clock } = bench(true)
  progress.begin('a')
  for (let sent = 0; sent <= 1000; sent++) {
    clock.nowMs += 1
    progress.show(sent, 1000)
  }
  progress.clear()
  progress.clear()
  const drawn = errors().split('\r').slice(1)
  assert.ok(drawn.length <= 12 && drawn.length >= 10)
  assert.ok(!errors().includes('\n'))
  assert.equal(drawn.at(-1), '\u001b[K')
})
