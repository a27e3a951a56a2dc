/**
 * The real server against the conformance suite's server mode, and servers with a planted bug, which the suite has to catch. With the
 * tests a part of the cases is played; `CHATD_CONFORMANCE=all` plays them all, over TCP, TLS and WebSocket.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { mutantServer } from '../../conformance/mutants/server/proxy.js'
import { serverMutants } from '../../conformance/mutants/server/mutants.js'
import type { ServerMutant } from '../../conformance/mutants/server/mutants.js'
import { failureText } from '../../conformance/report/terminal.js'
import { RegisteredAccounts, SharedAccounts } from '../../conformance/runner/accounts.js'
import type { Accounts } from '../../conformance/runner/accounts.js'
import type { Case } from '../../conformance/runner/case.js'
import { readTarget } from '../../conformance/runner/dial.js'
import type { Target } from '../../conformance/runner/dial.js'
import { loadCases } from '../../conformance/runner/load.js'
import { featuresOf, runServerCases } from '../../conformance/runner/server-run.js'
import type { Result } from '../../conformance/runner/verdict.js'
import { Place } from './harness.js'
import type { Scheme } from './harness.js'

const cases = loadCases().filter(({ mode }) => mode === 'server')
const playsAll = process.env['CHATD_CONFORMANCE'] === 'all'
/** Some of each file: others over each transport. */
const part = (first: number): readonly Case[] => playsAll ? cases : cases.filter((_, place) => place % 15 === first)
/** On a busy machine what is late by that alone is no fault. */
const slowness = 3

/** A server that is set up as the suite's README says for all of its cases. */
const setUp: Readonly<Record<string, string>> = {
  CHATD_AUTH_REGISTRATION: 'open',
  CHATD_AUTH_REGISTRATIONS_BURST: '1000000',
  CHATD_AUTH_REGISTRATIONS_PER_HOUR: '0',
  CHATD_AUTH_FAILURES_BURST: '1000000',
  CHATD_AUTH_USER_INVITES: '3',
  CHATD_RATE_STRANGER_PER_SECOND: '1',
  CHATD_LIMITS_KEEP_ALIVE_MS: '4000',
  CHATD_LIMITS_ACK_TIMEOUT_MS: '5000',
  CHATD_LIMITS_OPEN_TIMEOUT_MS: '8000',
  CHATD_LIMITS_EXPIRY_SWEEP_MS: '500',
  CHATD_LIMITS_DEVICES_MAX: '4',
  CHATD_LIMITS_GROUP_MEMBERS_MAX: '4',
  CHATD_LIMITS_GROUPS_MAX: '4',
  CHATD_LIMITS_CONTACTS_MAX: '3',
  CHATD_LIMITS_BLOCKED_MAX: '3',
}

async function serve(t: TestContext, scheme: Scheme, environment: Readonly<Record<string, string>> = {}): Promise<{ readonly place: Place; readonly target: Target }> {
  const place = await Place.make(t)
  Object.assign(place.environment, setUp, environment)
  const isTls = scheme === 'tls' || scheme === 'wss'
  if (isTls) await place.makeCertificate()
  // Blobs go by the web listener.
  const schemes: readonly Scheme[] = scheme === 'ws' || scheme === 'wss' ? [scheme] : [scheme, isTls ? 'wss' : 'ws']
  await place.start(...schemes)
  const ca = isTls ? await readFile(place.environment['CHATD_LISTEN_TLS_CERTIFICATE']!, 'utf8') : ''
  return { place, target: readTarget(place.url(scheme), ca) }
}

async function play(target: Target, accounts: Accounts, selected: readonly Case[], run: string): Promise<readonly Result[]> {
  const features = await featuresOf(target, accounts.areFresh)
  features.add('short-times')
  return runServerCases(selected, { target, accounts, features, run, seed: '1', slowness, parallel: 4 * availableParallelism(), onResult: () => {} })
}

/** What went wrong, as a person would read it. */
function failures(results: readonly Result[]): string[] {
  const about = { mode: 'server', target: '', seed: '1', results: [], durationMs: 0, known: new Map(), alone: (id: string) => id } as const
  return results.filter(({ verdict }) => verdict !== 'PASS' && verdict !== 'UNSUPPORTED').map((result) => failureText(about, result))
}

function runMark(): string {
  return randomBytes(3).toString('hex')
}

/** Cases that passed over some transport. */
const passed = new Set<string>()

async function passes(results: readonly Result[]): Promise<void> {
  assert.deepEqual(failures(results), [])
  assert.ok(results.some(({ verdict }) => verdict === 'PASS'))
  for (const { verdict, case: { id } } of results) if (verdict === 'PASS') passed.add(id)
}

// They wait most of the time.
void describe('chatd passes the cases of server mode', { concurrency: !playsAll }, () => {
  test('over TCP, with accounts that register openly', async (t) => {
    const { target } = await serve(t, 'tcp')
    const run = runMark()
    await passes(await play(target, new RegisteredAccounts(target, '', run), part(0), run))
  })

  test('over TLS, with accounts that register by invite', async (t) => {
    const { place, target } = await serve(t, 'tls', { CHATD_AUTH_REGISTRATION: 'invite' })
    const [invite] = await place.run('chatd', ['invite', 'create', '--data', place.data, '--uses', '100000', '--json']).finishJson<{ code: string }>()
    const run = runMark()
    await passes(await play(target, new RegisteredAccounts(target, invite!.code, run), part(5), run))
  })

  test('over WebSocket, with accounts that register openly', async (t) => {
    const { target } = await serve(t, 'ws')
    const run = runMark()
    await passes(await play(target, new RegisteredAccounts(target, '', run), part(10), run))
  })

  test('over WebSocket with TLS, with two accounts that all cases share', async (t) => {
    const { place, target } = await serve(t, 'wss', { CHATD_AUTH_REGISTRATION: 'closed' })
    await place.addUsers('ann', 'ben')
    const accounts = new SharedAccounts({ name: 'ann', password: 'password of ann' }, { name: 'ben', password: 'password of ben' })
    // One behind the other: all of them would take minutes.
    const some = cases.filter(({ id }, place) => place % 9 === 4 || id === 'server/opening/registration/closed')
    await passes(await play(target, accounts, playsAll ? some : some.slice(0, 12), runMark()))
  })
})

test('every case is passed over some transport', { skip: !playsAll }, () => {
  assert.deepEqual(cases.map(({ id }) => id).filter((id) => !passed.has(id)), [])
})

/** Verdicts of the cases that have to catch the mutant. */
async function verdictsOf(target: Target, { name, make, caughtBy }: ServerMutant): Promise<readonly string[]> {
  const selected = caughtBy.map((id) => cases.find((one) => one.id === id) ?? assert.fail(`${name}: no case is called ${id}`))
  const mutant = await mutantServer(target.port, make)
  try {
    const front: Target = { ...target, port: mutant.port }
    const run = runMark()
    const features = await featuresOf(target, true)
    // Accounts are made past the mutant: it is the case that has to find the bug.
    const results = await runServerCases(selected, { target: front, accounts: new RegisteredAccounts(target, '', run), features, run, seed: '1', slowness: 1, parallel: 2, onResult: () => {} })
    if (process.env['SHOW_MUTANTS'] !== undefined) for (const { failure } of results) console.log(`${name}: expected ${failure?.expected ?? ''}; came: ${failure?.came ?? ''}`)
    return results.map(({ verdict }) => verdict)
  } finally {
    mutant.close()
  }
}

test('every server with a planted bug is caught by the cases that name it', async (t) => {
  assert.ok(serverMutants.length >= 10)
  const { target } = await serve(t, 'tcp')
  const survivors: string[] = []
  const queue = [...serverMutants]
  const work = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const verdicts = await verdictsOf(target, mutant)
      if (verdicts.some((verdict) => verdict !== 'FAIL' && verdict !== 'TIMEOUT')) survivors.push(`${mutant.name}: ${mutant.caughtBy.join(', ')}: ${verdicts.join(', ')}`)
    }
  }
  await Promise.all(Array.from({ length: 3 * availableParallelism() }, work))
  assert.deepEqual(survivors, [])
})

test('the cases that catch mutants pass where nothing is planted, through the same proxy', async (t) => {
  const { target } = await serve(t, 'tcp')
  const mutant = await mutantServer(target.port, () => () => ({}))
  t.after(() => { mutant.close() })
  const ids = new Set(serverMutants.flatMap(({ caughtBy }) => caughtBy))
  const run = runMark()
  const results = await play({ ...target, port: mutant.port }, new RegisteredAccounts(target, '', run), cases.filter(({ id }) => ids.has(id)), run)
  assert.deepEqual(failures(results), [])
})
