/** When young objects are collected, and what becomes of the memory in a real process. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isTimeToCollect } from './quiet-collection.js'

const MIB = 1024 * 1024
const CHATD = fileURLToPath(new URL('../../../bin/chatd', import.meta.url))

/** Has the server's own process grow its young generation once it is up, and tell how much it has of it now and then. */
const GROW = `
const { isMainThread } = require('node:worker_threads')
const { getHeapSpaceStatistics } = require('node:v8')
const young = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').physical_space_size
if (isMainThread && process.argv.includes('start')) setTimeout(() => {
  const kept = []
  for (let i = 0; i < 600_000; i++) kept.push({ i, list: [i] })
  process.stderr.write('young: ' + young() + '\\n')
  setInterval(() => process.stderr.write('young: ' + young() + ' of ' + kept.length + '; gc is ' + typeof globalThis.gc + '\\n'), 500).unref()
}, 1000).unref()
`

test('young objects are collected when the server is quiet and has much memory for them, and never when it is busy', () => {
  assert.equal(isTimeToCollect(0.01, 32 * MIB), true)
  assert.equal(isTimeToCollect(0.3, 32 * MIB), false)
  assert.equal(isTimeToCollect(0.05, 32 * MIB), false)
  assert.equal(isTimeToCollect(0.01, 4 * MIB), false)
})

test('a server that has become quiet gives the memory of a burst back, and exposes nothing for it', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'chatd-quiet-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const hook = join(folder, 'grow.cjs')
  writeFileSync(hook, GROW)
  const child = spawn(process.execPath, [
    CHATD, 'start', '--data', join(folder, 'data'), '--listen', 'tcp://127.0.0.1:0', '--set', 'data.engine=leveldb', '--set', 'auth.scramIterations=4096',
  ], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, npm_lifecycle_event: '', NODE_OPTIONS: `--require ${hook}` } })
  const ended = once(child, 'close')
  t.after(() => child.kill('SIGKILL'))
  let mostBytes = 0
  for await (const line of createInterface({ input: child.stderr })) {
    const bytes = Number(/^young: (\d+)/.exec(line)?.[1] ?? NaN)
    if (Number.isNaN(bytes)) continue
    mostBytes = Math.max(mostBytes, bytes)
    if (!line.includes('gc is')) continue
    assert.match(line, /gc is undefined/)
    if (bytes <= 4 * MIB) break
  }
  assert.ok(mostBytes > 8 * MIB, `grew to ${String(mostBytes)} bytes only`)
  child.kill('SIGTERM')
  await ended
})
