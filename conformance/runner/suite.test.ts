/** A part of the suite against both clients; all of it runs in `.ci/run`. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { failureText } from '../report/terminal.js'
import { rootFolder } from '../spec/registry.js'
import { loadCases } from './load.js'
import { PipeAdapters } from './pipe-adapter.js'
import { runCases } from './run.js'

/** Some of each file, others than those that the next one of a file has. */
const someCases = loadCases().filter(({ mode }, place) => mode === 'client' && place % 12 === 5)

async function failures(command: readonly string[], cases = someCases, slowness = 2): Promise<string[]> {
  const results = await runCases(cases, { adapters: new PipeAdapters(command, rootFolder), seed: '1', slowness, parallel: 6, onResult: () => {} })
  const about = { mode: 'client', target: '', seed: '1', results: [], durationMs: 0, known: new Map(), alone: (id: string) => id } as const
  return results.filter(({ verdict }) => verdict !== 'PASS').map((result) => failureText(about, result))
}

test('the reference client passes some cases of each file', async () => {
  assert.ok(someCases.length > 30)
  assert.deepEqual(await failures([process.execPath, 'dist/conformance/adapters/reference.js']), [])
})

const hasPython = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 11))']).status === 0

/** What the client in Python leaves out. */
const leftOut = ['channel-binding', 'register', 'download']

test('the client in Python passes them too', { skip: hasPython ? false : 'needs Python 3.11 or later' }, async () => {
  const able = someCases.filter(({ features }) => !features.some((feature) => leftOut.includes(feature)))
  assert.deepEqual(await failures(['python3', 'conformance/examples/python/adapter.py'], able), [])
})

test('a client that happens to draw the longest waits passes: its clock jumps further than it has to wait', async () => {
  const draws = `let draws = 0
    const { serve } = await import('./dist/conformance/adapters/reference.js')
    const { rightParts } = await import('./dist/conformance/adapters/parts.js')
    serve({ ...rightParts, platform: (platform) => ({ ...platform, random: () => ++draws > 14 ? 0.9999 : 0.01 }) })`
  const atTheCap = loadCases().filter(({ id }) => id === 'opening/back-off/at-the-cap')
  assert.deepEqual(await failures([process.execPath, '--input-type=module', '-e', draws], atTheCap, 1), [])
})
