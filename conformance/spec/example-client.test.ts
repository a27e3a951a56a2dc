/**
 * `spec/example-client.mjs` against the real server: that file is written from the pages alone, so what it can do shows that they
 * suffice. Both programs run as a person would start them.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { rootFolder } from './registry.js'

/** Several programs start one after another, on a machine that may be busy; a hang must still end as a failure. */
const patience = { timeout: 120_000 }

interface Program {
  readonly child: ChildProcess
  /** The next line of stdout, parsed. Rejects when the program ends first. */
  next(): Promise<Readonly<Record<string, unknown>>>
  /** Its exit code; null after a signal. */
  readonly ended: Promise<number | null>
}

/** A folder, and the programs that use it: they end before it goes. */
interface Place {
  readonly folder: string
  readonly programs: Program[]
}

function makePlace(t: TestContext): Place {
  const place: Place = { folder: mkdtempSync(join(tmpdir(), 'chatd-example-')), programs: [] }
  t.after(async () => {
    for (const { child } of place.programs) child.kill('SIGKILL')
    await Promise.all(place.programs.map(({ ended }) => ended))
    rmSync(place.folder, { recursive: true, force: true })
  })
  return place
}

function start(place: Place, script: string, args: readonly string[], input = ''): Program {
  const child = spawn(process.execPath, [rootFolder + script, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => errors += chunk.toString())
  child.stdin.end(input)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const program: Program = {
    child,
    ended,
    next: async () => {
      const line = await lines.next()
      assert.ok(line.done !== true, `${script} ended: ${errors}`)
      return JSON.parse(line.value) as Readonly<Record<string, unknown>>
    },
  }
  place.programs.push(program)
  return program
}

/** Resolves once it serves, with its address on TCP. */
async function startServer(place: Place): Promise<{ server: Program; address: string }> {
  const { folder } = place
  const config = join(folder, 'chatd.toml')
  writeFileSync(config, '[admin]\nurl = ""\n')
  const server = start(place, 'bin/chatd', ['start', '--config', config, '--data', join(folder, 'data'), '--listen', 'tcp://127.0.0.1:0'])
  const { listeners } = await server.next() as { listeners: readonly string[] }
  return { server, address: (listeners[0] ?? '').replace('tcp://', '') }
}

test('[QUE-2] [MSG-3] a client written from the spec alone talks, goes away, and misses nothing, over a crash of the server', patience, async (t) => {
  const place = makePlace(t)
  const { folder } = place
  const first = await startServer(place)
  for (const user of ['alice', 'bob']) {
    const added = start(place, 'bin/chatd', ['user', 'add', user, '--data', join(folder, 'data'), '--password-stdin'], `secret of ${user}\n`)
    assert.equal(await added.ended, 0)
  }
  const clientOf = (address: string, user: string, ...message: string[]): Program =>
    start(place, 'spec/example-client.mjs', [address, user, `secret of ${user}`, join(folder, `${user}.json`), ...message])
  const send = async (address: string, text: string): Promise<unknown> => {
    const alice = clientOf(address, 'alice', 'bob', text)
    const { seq } = await alice.next()
    assert.equal(await alice.ended, 0)
    return seq
  }

  const bob = clientOf(first.address, 'bob')
  assert.equal(await send(first.address, 'one 👍🏽'), 1)
  assert.deepEqual(await bob.next(), { conversation: 'alice', from: 'alice', seq: 1, text: 'one 👍🏽' })
  // Bob may have printed without having acknowledged: then number 1 comes again, and nothing else does.
  bob.child.kill('SIGKILL')
  await bob.ended
  assert.equal(await send(first.address, 'two'), 2)
  assert.equal(await send(first.address, 'three'), 3)
  first.server.child.kill('SIGKILL')
  await first.server.ended

  const second = await startServer(place)
  assert.equal(await send(second.address, 'four'), 4)
  const returned = clientOf(second.address, 'bob')
  const seqs: unknown[] = []
  while (seqs.at(-1) !== 4) seqs.push((await returned.next())['seq'])
  assert.deepEqual(seqs.filter((seq) => seq !== 1), [2, 3, 4])
})

test('[CLS-5] a client written from the spec alone stops at a wrong password', patience, async (t) => {
  const place = makePlace(t)
  const { address } = await startServer(place)
  const stranger = start(place, 'spec/example-client.mjs', [address, 'mallory', 'guess', join(place.folder, 'mallory.json'), 'bob', 'hi'])
  assert.equal(await stranger.ended, 1)
})
