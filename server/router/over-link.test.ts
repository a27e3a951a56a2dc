/** Everything that the tests of whole servers say holds as well where the shard is on the other end of a link. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const FILES = [
  'run/whole-server', 'run/every-error', 'groups/groups-live', 'presence/live', 'operations/operations-live', 'profiles/profiles-live', 'session/search-query',
  'accounts/disable', 'accounts/registration', 'blobs/live', 'blobs/resume',
]

/** Runs the files as they are, with another router. Resolves to what failed, as the spec reporter says it. */
async function run(kind: 'remote' | 'cluster', files: readonly string[]): Promise<{ code: number | null, passed: number, output: string }> {
  const { NODE_TEST_CONTEXT: _context, ...environment } = process.env
  const paths = files.map((file) => `${root}${file}.test.js`)
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', ...paths], {
    env: { ...environment, CHATD_LIVE_ROUTER: kind }, stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString() })
  const [code] = await once(child, 'close') as [number | null]
  return { code, passed: Number(/^ℹ pass (\d+)$/m.exec(output)?.[1]), output }
}

test('a cluster router over a link does all that a local one does', { timeout: 580_000 }, async () => {
  const { code, passed, output } = await run('cluster', FILES)
  assert.equal(code, 0, output)
  assert.ok(passed > 100, output)
})

test('a router of one link alone does all that a local one does', { timeout: 300_000 }, async () => {
  const { code, passed, output } = await run('remote', ['run/whole-server'])
  assert.equal(code, 0, output)
  assert.ok(passed > 5, output)
})
