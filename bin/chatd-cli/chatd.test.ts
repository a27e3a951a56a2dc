/** `chatd` as an operator runs it. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, constants, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FRAME } from '../../protocol/generated/registry.js'
import { connectRaw } from '../../server/listeners/testing/raw-client.js'
import { HELLO } from '../../server/session/testing/harness.js'

/** From dist/bin/chatd-cli to bin. */
const CHATD = fileURLToPath(new URL('../../../bin/chatd', import.meta.url))
const CHEAP = ['--set', 'auth.scramIterations=4096', '--set', 'data.engine=leveldb']

interface Ended { readonly code: number | null, readonly stdout: string, readonly stderr: string }

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-cli-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function run(args: readonly string[], input = '', environment: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [CHATD, ...args], { stdio: 'pipe', env: { ...process.env, ...environment } })
  const ended = collect(child)
  child.stdin.end(input)
  return ended
}

async function collect(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk) => { stdout += String(chunk) })
  child.stderr?.on('data', (chunk) => { stderr += String(chunk) })
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout, stderr }
}

interface Ready { readonly ready: boolean, readonly listeners: string[], readonly admin: string }

async function start(t: TestContext, data: string, args: readonly string[] = [], environment: Record<string, string> = {}): Promise<{ child: ChildProcess, ended: Promise<Ended>, ready: Ready }> {
  const child = spawn(process.execPath, [
    CHATD, 'start', '--data', data, '--listen', 'tcp://127.0.0.1:0', '--listen', 'ws://127.0.0.1:0', '--set', 'admin.url=http://127.0.0.1:0',
    '--set', 'limits.drainTimeoutMs=2000', ...CHEAP, ...args,
  ], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, npm_lifecycle_event: '', ...environment } })
  t.after(() => child.kill('SIGKILL'))
  const ended = collect(child)
  const [line] = await once(createInterface({ input: child.stdout }), 'line') as [string]
  return { child, ended, ready: JSON.parse(line) as Ready }
}

test('starts, prints one line when it is ready, takes accounts while it runs, and ends with 0 on SIGTERM', async (t) => {
  const data = join(folder(t), 'data')
  assert.deepEqual(await run(['user', 'add', 'Alice', '--data', data, '--password-stdin', ...CHEAP], 'secret\n'), { code: 0, stdout: 'alice added\n', stderr: '' })
  const { child, ended, ready } = await start(t, data)
  assert.equal(ready.ready, true)
  assert.match(ready.listeners[0]!, /^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/)
  assert.match(ready.listeners[1]!, /^ws:\/\/127\.0\.0\.1:[1-9]\d*$/)
  assert.equal((await fetch(`${ready.admin}/readyz`)).status, 200)
  assert.equal((await run(['user', 'add', 'bob', '--data', data, '--password-stdin', ...CHEAP], 'secret')).stdout, 'bob added\n')
  assert.match((await run(['user', 'list', '--data', data])).stdout, /^alice\t0 devices\tsince .*\nbob\t/)
  assert.equal((await run(['user', 'import', '--data', data, ...CHEAP], 'bob x\ncarol y\n')).stdout, '1 added, 1 were there already\n')
  assert.match((await run(['user', 'passwd', 'bob', '--data', data, '--password-stdin', ...CHEAP], 'other\n')).stdout, /new password/)
  assert.equal((await run(['user', 'remove', 'carol', '--data', data])).stdout, 'carol removed\n')
  const client = await connectRaw(ready.listeners[0]!)
  client.send(HELLO)
  await client.until(FRAME.features)
  child.kill('SIGTERM')
  await client.until(FRAME.close)
  const { code, stdout, stderr } = await ended
  assert.equal(code, 0, stderr)
  assert.equal(stdout.split('\n').length, 2, 'one line and nothing else')
  for (const line of stderr.trim().split('\n')) assert.ok('event' in (JSON.parse(line) as object))
})

test('disables and enables accounts, makes, lists and revokes invites, and makes the index again, with the server and without', async (t) => {
  const data = join(folder(t), 'data')
  const at = ['--data', data, ...CHEAP]
  await run(['user', 'add', 'bob', '--password-stdin', ...at], 'secret\n')
  const made = await run(['invite', 'create', '--uses', '2', ...at])
  assert.match(made.stdout, /^[0-9a-z]{8}-[0-9a-z]{13}-[0-9a-z]{13}\n$/)
  assert.match(made.stderr, /auth\.registration/)
  const { child, ended } = await start(t, data, ['--set', 'auth.registration=invite'])
  assert.match((await run(['user', 'disable', 'Bob', ...at])).stdout, /^bob disabled/)
  assert.match((await run(['user', 'list', ...at])).stdout, /^bob\t.*\tdisabled\n$/)
  assert.equal((JSON.parse((await run(['user', 'list', '--json', ...at])).stdout) as { disabled: boolean }).disabled, true)
  assert.equal((await run(['user', 'enable', 'bob', ...at])).stdout, 'bob enabled\n')
  const json = JSON.parse((await run(['invite', 'create', '--expires', 'never', '--json', ...at])).stdout) as { id: string, code: string, uses: number, expires: null }
  assert.deepEqual([json.code.startsWith(json.id), json.uses, json.expires], [true, 1, null])
  const list = (await run(['invite', 'list', ...at])).stdout
  assert.ok(list.includes(`${json.id}\topen\t0 of 1 used\tdoes not expire\tby operator\n`) && list.includes('0 of 2 used'), list)
  assert.ok(!list.includes(json.code.slice(9)))
  assert.equal((await run(['invite', 'revoke', json.code, ...at])).stdout, `${json.id} revoked\n`)
  const unknown = await run(['invite', 'revoke', '00000000', ...at])
  assert.deepEqual([unknown.code, unknown.stderr], [1, 'chatd: there is no such invite (no-such-invite)\n'])
  assert.equal((await run(['search', 'rebuild', ...at])).stdout, '0 conversations, 0 full segments indexed; what is in none yet is found without\n')
  child.kill('SIGTERM')
  const { stderr } = await ended
  for (const code of [made.stdout.trim(), json.code]) assert.ok(!stderr.includes(code.slice(9)), 'no code in the log')
  const states = (await run(['invite', 'list', '--json', ...at])).stdout.trim().split('\n').map((line) => (JSON.parse(line) as { state: string }).state)
  assert.deepEqual(states.sort(), ['open', 'revoked'])
  assert.equal((await run(['search', 'rebuild', ...at])).code, 0)
  assert.match((await run(['user', 'disable', 'nobody', ...at])).stderr, /no-such-user/)
})

test('what it stores is its owner\'s alone, also in a directory that was open to others', async (t) => {
  const data = folder(t)
  chmodSync(data, 0o755)
  const { child, ended } = await start(t, data)
  const readable = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((name) => (statSync(join(data, name)).mode & 0o077) !== 0)
  assert.deepEqual(readable, [])
  child.kill('SIGTERM')
  await ended
})

test('tells a person where it listens and what to type next', async (t) => {
  const data = join(folder(t), 'data')
  const { child, ended, ready } = await start(t, data, [], { npm_lifecycle_event: 'start' })
  child.kill('SIGINT')
  const { code, stderr } = await ended
  assert.equal(code, 0)
  assert.ok(stderr.includes(`bin/chatd user add alice --data ${data} && bin/chatd user add bob --data ${data}`))
  assert.ok(stderr.includes(`bin/chat --server ${ready.listeners[0]!} --user alice`))
})

test('ends at once on a second signal', async (t) => {
  const { child, ended, ready } = await start(t, join(folder(t), 'data'), ['--set', 'limits.drainTimeoutMs=600000', '--set', 'limits.closeTimeoutMs=60000'])
  const client = await connectRaw(ready.listeners[0]!)
  client.send(HELLO)
  await client.until(FRAME.features)
  client.socket.pause()
  child.kill('SIGTERM')
  repeatSignal(t, child)
  const { code, stderr } = await ended
  assert.equal(code, null)
  assert.match(stderr, /"event":"forced"/)
  client.destroy()
})

function repeatSignal(t: TestContext, child: ChildProcess): void {
  const timer = setInterval(() => child.kill('SIGTERM'), 50)
  t.after(() => { clearInterval(timer) })
}

test('a signal that comes twice at once, as from npm, is one', async (t) => {
  const { child, ended, ready } = await start(t, join(folder(t), 'data'))
  const client = await connectRaw(ready.listeners[0]!)
  client.send(HELLO)
  await client.until(FRAME.features)
  const heard = client.until(FRAME.close)
  // Of two that are different the second is not lost in the first.
  child.kill('SIGTERM')
  child.kill('SIGINT')
  await heard
  const { code, stderr } = await ended
  assert.equal(code, 0, stderr)
  assert.doesNotMatch(stderr, /forced/)
})

for (const [how, again, event] of [['a second signal', true, 'forced'], ['the time that it may take', false, 'stop-timed-out']] as const) {
  test(`${how} ends it also where its disk hangs`, { skip: process.platform === 'win32', timeout: 120_000 }, async (t) => {
    const data = join(folder(t), 'data')
    await run(['user', 'add', 'alice', '--data', data, '--password-stdin', ...CHEAP], 'secret\n')
    // A file that is opened, and never gives a byte: to the thread that reads it, as a disk that hangs.
    const file = join(data, 'leveldb', 'CURRENT')
    rmSync(file)
    execFileSync('mkfifo', [file])
    const child = spawn(process.execPath, [
      CHATD, 'start', '--data', data, '--listen', 'tcp://127.0.0.1:0', '--set', 'admin.url=', '--set', 'limits.drainTimeoutMs=0',
      '--set', 'limits.drainJitterMs=0', '--set', `limits.stopGraceMs=${again ? '600000' : '100'}`, ...CHEAP,
    ], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, npm_lifecycle_event: '' } })
    t.after(() => child.kill('SIGKILL'))
    const ended = collect(child)
    const descriptor = await writerOf(file)
    t.after(() => { closeSync(descriptor) })
    child.kill('SIGTERM')
    if (again) repeatSignal(t, child)
    const { code, stderr } = await ended
    assert.equal(code, null, stderr)
    assert.match(stderr, new RegExp(`server-stopping[^]*"event":"${event}"`))
  })
}

/** Opens the other end of a named pipe, as soon as somebody waits for it. */
async function writerOf(file: string): Promise<number> {
  for (;;) {
    try {
      return openSync(file, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
    }
    await delay(20)
  }
}

interface Starting { readonly child: ChildProcess, readonly ended: Promise<Ended>, readonly line: Promise<string>, readonly bucket: Socket[], readonly silent: Server }

/** A server that has asked for its bucket, which it does before it serves, and has no answer. `line`: the first it prints. */
async function startWithSilentBucket(t: TestContext, args: readonly string[]): Promise<Starting> {
  const bucket: Socket[] = []
  const silent = createServer((socket) => { bucket.push(socket) })
  t.after(() => {
    silent.close()
    for (const socket of bucket) socket.destroy()
  })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const child = spawn(process.execPath, [
    CHATD, 'start', '--data', join(folder(t), 'data'), '--set', 'admin.url=', ...CHEAP,
    '--set', 'blobs.store=s3', '--set', `blobs.s3Endpoint=http://127.0.0.1:${String(port)}`, '--set', 'blobs.s3Bucket=chat', ...args,
  ], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', npm_lifecycle_event: '' } })
  t.after(() => child.kill('SIGKILL'))
  const ended = collect(child)
  const line = once(createInterface({ input: child.stdout }), 'line').then(([text]) => text as string)
  await once(silent, 'connection')
  return { child, ended, line, bucket, silent }
}

for (const [kind, args] of [['alone', []], ['with workers', ['--workers', '2']], ['with shards', ['--shards', '2']]] as const) {
  test(`a signal to stop ends a start that waits for somebody else: ${kind}`, { timeout: 120_000 }, async (t) => {
    const { child, ended } = await startWithSilentBucket(t, ['--listen', 'ws://127.0.0.1:0', ...args])
    child.kill('SIGTERM')
    const { code, stdout, stderr } = await ended
    assert.deepEqual([code, stdout], [0, ''], stderr)
    assert.match(stderr, /server-stopping/)
    assert.doesNotMatch(stderr, /blob-store-unavailable|server-started/)
  })
}

test('a hangup while a server with TLS is starting counts when it has started', { timeout: 120_000 }, async (t) => {
  const out = join(folder(t), 'tls')
  const { stdout: toml } = await run(['cert', '--out', out])
  const config = join(out, 'chatd.toml')
  writeFileSync(config, toml)
  const { child, ended, line, bucket, silent } = await startWithSilentBucket(t, ['--config', config, '--listen', 'wss://127.0.0.1:0'])
  child.kill('SIGHUP')
  silent.on('connection', (socket: Socket) => { socket.destroy() })
  for (const socket of bucket) socket.destroy()
  assert.match(await Promise.race([line, ended.then(({ stderr }) => stderr)]), /"ready":true/)
  child.kill('SIGTERM')
  const { code, stderr } = await ended
  assert.equal(code, 0, stderr)
  assert.match(stderr, /tls-renewed/)
})

test('ends with a code and one line that says what to do', async (t) => {
  const directory = folder(t)
  const data = join(directory, 'data')
  const { ready } = await start(t, data)
  const file = join(directory, 'chatd.toml')
  writeFileSync(file, '[limits]\ndeviceMax = 3\n')
  const cases: [string[], number, RegExp, string?][] = [
    [['fly'], 2, /no command fly/],
    [['start', '--config', file], 3, /unknown key "limits\.deviceMax"; did you mean limits\.devicesMax\?/],
    [['start', '--listen', 'tcp://0.0.0.0:0'], 3, /plaintext beyond loopback/],
    [['start', '--data', data, '--listen', 'tcp://127.0.0.1:0'], 4, /in use by/],
    [['start', '--data', join(directory, 'other'), '--listen', ready.listeners[0]!], 5, /is in use: stop/],
    [['user', 'list', '--data', join(directory, 'none')], 4, /there is no store/],
    [['user', 'remove', 'nobody', '--data', data], 1, /no user 'nobody'/],
    [['user', 'add', 'not a name', '--data', data, '--password-stdin'], 1, /is no user name/, 'x\n'],
    [['user', 'add', 'carol', '--data', data, '--password-stdin'], 1, /password can't be used/, '\n'],
    [['user', 'add', 'carol', '--data', data], 2, /--password-stdin/],
  ]
  for (const [args, code, message, input] of cases) {
    const ended = await run([...args, ...args[0] === 'fly' ? [] : CHEAP], input)
    assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stderr}`)
    assert.match(ended.stderr, message)
    assert.equal(ended.stderr.trim().split('\n').length, 1)
    assert.ok(ended.stderr.startsWith('chatd: '))
  }
})

test('prints the effective configuration', async () => {
  const { code, stdout } = await run(['config', '--set', 'limits.devicesMax=4'], '', { CHATD_LOG_LEVEL: 'warn' })
  assert.equal(code, 0)
  assert.match(stdout, /devicesMax = 4 # flag/)
  assert.match(stdout, /level = "warn" # CHATD_LOG_LEVEL/)
})

test('makes a certificate that clients can check, and overwrites none', async (t) => {
  const out = join(folder(t), 'tls')
  const made = await run(['cert', '--out', out])
  assert.equal(made.code, 0)
  assert.equal(statSync(join(out, 'chatd.key')).mode & 0o777, 0o600)
  assert.ok(existsSync(join(out, 'chatd.crt')))
  const again = await run(['cert', '--out', out])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /exists: remove it/)
  const config = join(out, 'chatd.toml')
  writeFileSync(config, made.stdout)
  assert.equal((await run(['config', '--config', config])).code, 0)
})

test('says in a line that Node is too old', async (t) => {
  const older = join(folder(t), 'older.cjs')
  for (const [version, code] of [['18.20.4', 1], ['20.18.9', 1], ['20.19.0', 0], ['24.0.0', 0]] as const) {
    writeFileSync(older, `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`)
    const ended = await run(['version'], '', { NODE_OPTIONS: `--require ${older}` })
    assert.equal(ended.code, code, ended.stderr)
    assert.match(ended.stderr, code === 0 ? /^$/ : new RegExp(`^chatd: needs Node 20\\.19 or later, and this is ${version}: .*\n$`))
  }
})

test('prints help and version', async () => {
  assert.match((await run(['--help'])).stdout, /Exit codes:\n {2}0 /)
  assert.match((await run(['user', '--help'])).stdout, /^chatd user: /)
  assert.match((await run(['version'])).stdout, /^chatd \d+\.\d+\.\d+\n$/)
})

test('the young generation has a limit, set in the same process, unless the operator has set one', { skip: !('execve' in process) || !existsSync('/proc') }, async (t) => {
  const commandLine = (child: ChildProcess): string => readFileSync(`/proc/${String(child.pid)}/cmdline`, 'latin1')
  const { child, ended } = await start(t, join(folder(t), 'data'))
  assert.match(commandLine(child), /\0--max-semi-space-size=8\0/)
  child.kill('SIGTERM')
  assert.equal((await ended).code, 0)
  const own = await start(t, join(folder(t), 'data'), [], { NODE_OPTIONS: '--max-semi-space-size=2' })
  assert.doesNotMatch(commandLine(own.child), /semi-space/)
  own.child.kill('SIGTERM')
  assert.equal((await own.ended).code, 0)
})
