/** The reference client in headless Chromium, some cases of each file; all of them run in `.ci/run`. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { failureText } from '../report/terminal.js'
import { DialIn } from '../runner/dial-in.js'
import { loadCases } from '../runner/load.js'
import { runCases } from '../runner/run.js'
import { rootFolder } from '../spec/registry.js'

const program = 'dist/conformance/adapters/browser.js'
const someCases = loadCases().filter(({ mode, transport }, place) => mode === 'client' && transport !== 'tcp' && place % 12 === 8)

// Without an address it says which of the two it lacks.
const hasChromium = !spawnSync(process.execPath, [program], { cwd: rootFolder, encoding: 'utf8', env: { ...process.env, CHAT_CONFORMANCE_URL: undefined } }).stderr.includes('no Chromium')

test('the reference client passes some cases of each file in Chromium', { skip: hasChromium ? false : 'no Chromium here', timeout: 180_000 }, async (t) => {
  const dialIn = await DialIn.listen('127.0.0.1', 0)
  const child = spawn(process.execPath, [program], { cwd: rootFolder, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, CHAT_CONFORMANCE_URL: dialIn.url } })
  t.after(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
  assert.ok(await dialIn.hasAdapter(60_000))
  const results = await runCases(someCases, { adapters: dialIn, seed: '1', slowness: 2, parallel: 6, onResult: () => {} })
  const about = { mode: 'client', target: '', seed: '1', results: [], durationMs: 0, known: new Map(), alone: (id: string) => id } as const
  // A page chooses no certificates and opens no TCP: what needs that it says it can't, and what it has to be able to do would be a FAIL.
  const wrong = results.filter(({ verdict }) => verdict !== 'PASS' && verdict !== 'UNSUPPORTED')
  assert.deepEqual(wrong.map((result) => failureText(about, result)), [])
  assert.ok(results.filter(({ verdict }) => verdict === 'PASS').length > 30)
})
