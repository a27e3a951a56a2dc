import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openEngine } from '../../storage/open.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { configOf } from '../config/config.js'
import { SILENT_LOG } from '../log.js'
import { openEngines, troubleOf } from './node-shards.js'
import type { NodePart } from './node-part.js'
import type { Start } from './run.js'

interface Opened {
  readonly shards: number
  close(): Promise<void>
}

/** Opens what a node with these settings would. */
async function open(directory: string, data: { readonly shards?: number } = {}, workers = 1): Promise<Opened> {
  const steps: Start['steps'] = []
  const config = configOf({ data: { directory, engine: 'leveldb', ...data }, listen: { workers } })
  const engines = await openEngines({ config, clock: SYSTEM_CLOCK, log: SILENT_LOG, wrapEngine: (engine) => engine, takesClients: true, stopping: new AbortController().signal, steps })
  return { shards: engines.length, close: async () => { for (const step of steps) await step() } }
}

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-test-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'data')
}

test('a new directory has as many shards as the settings say, and says so itself from then on', async (t) => {
  const directory = folder(t)
  const first = await open(directory, { shards: 3 })
  assert.equal(first.shards, 3)
  await first.close()
  const again = await open(directory)
  assert.equal(again.shards, 3)
  await again.close()
  await assert.rejects(open(directory, { shards: 4 }), /holds 3 shards, not 4/)
  await assert.rejects(open(directory, {}, 3), /no worker processes/)
})

test('the data of one shard are not hidden behind new ones', async (t) => {
  const directory = folder(t)
  await (await openEngine({ directory, engine: 'leveldb', create: true })).close()
  await assert.rejects(open(directory, { shards: 4 }), /chatd split/)
  const opened = await open(directory)
  assert.equal(opened.shards, 1)
  await opened.close()
})

test('health says what keeps clients of a node from being served, and of which shard', () => {
  const part = ({ trouble = '', waitingFor = [], hasOwner = true, unreached = '' }: {
    trouble?: string, waitingFor?: readonly string[], hasOwner?: boolean, unreached?: string
  } = {}): NodePart => ({ node: { report: { trouble, waitingFor } }, router: { hasOwner }, unreached }) as unknown as NodePart
  const fine = part()
  assert.equal(troubleOf([fine, fine]), '')
  assert.equal(troubleOf([part({ trouble: 'no Redis', hasOwner: false })]), 'no Redis')
  assert.equal(troubleOf([part({ hasOwner: false })]), 'the shard: no node owns it')
  assert.equal(troubleOf([fine, part({ hasOwner: false, unreached: "n3 owns it, and can't be reached: no link" })]), "shard 1: n3 owns it, and can't be reached: no link")
  assert.equal(troubleOf([part({ hasOwner: false, waitingFor: ['n2'] })]), 'the shard: Redis has lost data, and nobody may own it before n2 has been heard')
  // Others have been served meanwhile, by who was not waited for.
  assert.equal(troubleOf([part({ waitingFor: ['n2'] })]), '')
})
