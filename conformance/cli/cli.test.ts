/** `chat-conformance` from the outside. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { loadCases } from '../runner/load.js'
import { rootFolder } from '../spec/registry.js'
import { explainText } from './explain.js'

const hasPython = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 11))']).status === 0

function run(...args: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [`${rootFolder}bin/chat-conformance`, ...args], { encoding: 'utf8', cwd: rootFolder, maxBuffer: 1 << 26 })
}

const reference = ['--', process.execPath, 'dist/conformance/adapters/reference.js']

test('help, list and explain say what there is', () => {
  assert.match(run('--help').stdout, /Usage: chat-conformance/)
  assert.match(run('list', 'framing').stdout, /framing\/malformed\/in-a-session\/length-0/)
  assert.match(run('list', '--requirements').stdout, /FRM-11\s+MUST\s+\d+: framing/)
  assert.match(run('explain', 'server/state/queue/window').stdout, /QUE-6 \(MUST\), spec\/queue\.md[^]*Begins as pair[^]*Steps[^]*alice\/phone logs in[^]*fails if/)
  assert.match(run('explain', 'state/queue/gap').stdout, /QUE-3 \(MUST\), spec\/queue\.md[^]*Begins as opened-session[^]*Steps[^]*fails if/)
})

test('a reader that has enough ends it without a word', async () => {
  const child = spawn(process.execPath, [`${rootFolder}bin/chat-conformance`, 'list', '--requirements'], { cwd: rootFolder, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (text: Buffer) => { stderr += text.toString() })
  const [code] = await once(child, 'close') as [number]
  assert.deepEqual([code, stderr], [0, ''])
})

test('explain has words for every step of every case', () => {
  for (const one of loadCases()) {
    const text = explainText(one)
    assert.ok(!/^ +[\d.]+ {2}\{"/m.test(text), text)
    for (const line of text.split('\n')) assert.ok(line.length <= 110 || !line.trim().includes(' ') || line.includes('chat-conformance'), line)
  }
})

test('new writes an adapter that runs, tells what is to do, and replaces no file', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'chat-conformance-test-'))
  t.after(() => { rmSync(folder, { recursive: true }) })
  for (const [name, command] of [
    ['adapter.py', hasPython ? ['python3', join(folder, 'adapter.py')] : null],
    // What the compiler makes of it: not every Node that runs this runs TypeScript.
    ['adapter.ts', [process.execPath, 'dist/conformance/templates/adapter.js']],
  ] as const) {
    assert.match(run('new', join(folder, name)).stdout, /all is still to do/)
    assert.equal(run('new', join(folder, name)).status, 2)
    if (command === null) continue
    const { status, stdout } = run('client', 'state/messages/a-message-comes', 'state/presence/watches', '--', ...command)
    assert.equal(status, 1)
    assert.match(stdout, /TODO start: make your client/)
    assert.match(stdout, /1 FAIL, 1 UNSUPPORTED/)
  }
  assert.equal(run('new', join(folder, 'adapter.rs')).status, 2)
})

test('what makes no sense is said, with exit code 2', () => {
  for (const args of [['frobnicate'], ['client'], ['client', 'no/such/case', '--', 'x'], ['list', '--requirement', 'nonsense'], ['list', '--level', 'WILL'], ['explain'], ['client', '--parallel', '0', '--', 'x'], ['client', '--dial-in', '--at', '0.0.0.0'], ['client', '--dial-in', '--at', 'a b'], ['new'], ['list', '--unknown']]) {
    const { status, stderr } = run(...args)
    assert.equal(status, 2, args.join(' '))
    assert.match(stderr, /^chat-conformance: /)
  }
})

test('a server is asked for with two accounts, or with registration, and no secret is an argument', () => {
  const nowhere = 'tcp://127.0.0.1:1'
  for (const [args, says] of [
    [['server'], /takes the address/],
    [['server', 'http://chat.example'], /no address of a server/],
    [['server', nowhere], /--user is missing/],
    [['server', nowhere, '--user', 'alice', '--other', 'bob'], /password of alice comes from/],
    [['server', nowhere, '--user', 'alice', '--password', 'secret'], /--password/],
    [['server', nowhere, '--register', '--invite-file', '/nowhere/invite'], /can't be read: ENOENT/],
    [['server', nowhere, '--register', '--has', 'wings'], /it is one of accounts/],
    [['server', nowhere, '--register', '--ca', 'package.json'], /no certificate/],
    [['server', nowhere, '--register'], /no connection to the server/],
  ] as const) {
    const { status, stderr } = run(...args)
    assert.equal(status, 2, args.join(' '))
    assert.match(stderr, says)
  }
})

test('a run of the reference client passes, and leaves its reports', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'chat-conformance-test-'))
  t.after(() => { rmSync(folder, { recursive: true }) })
  const { status, stdout } = run('client', 'state/messages', 'state/outbox', '--requirement', 'MSG-12', '--requirement', 'QUE-4', '--junit', join(folder, 'j.xml'), '--json', join(folder, 'j.json'), ...reference)
  assert.equal(status, 0, stdout)
  assert.match(stdout, /Everything is as it should be/)
  assert.match(readFileSync(join(folder, 'j.xml'), 'utf8'), /<testsuite name="state\/messages"/)
  assert.equal((JSON.parse(readFileSync(join(folder, 'j.json'), 'utf8')) as { isBroken: boolean }).isBroken, false)
})

test('a failure breaks the run with exit code 1, and the command that it names fails alike', () => {
  const mutant = ['--', process.execPath, 'dist/conformance/mutants/main.js', 'trims']
  const { status, stdout } = run('client', 'state/messages/text-as-it-is', ...mutant)
  assert.equal(status, 1)
  const alone = /alone +chat-conformance (.*)$/m.exec(stdout)?.[1]
  assert.ok(alone !== undefined)
  const again = run(...alone.split(' '))
  assert.equal(again.status, 1)
  assert.match(again.stdout, /1 cases .* 1 FAIL/)
  assert.match(again.stdout, /#1 → <cursor/, 'with its trace')
})

test('a run that is stopped leaves neither processes nor folders', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'chat-conformance-test-'))
  t.after(() => { rmSync(folder, { recursive: true }) })
  // An adapter that would stay for ever: it tells its process id, and takes no notice of the end of stdin.
  const stubborn = `const { writeFileSync } = require('node:fs')
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const request = JSON.parse(line)
      if (request.do === 'connect') writeFileSync(process.env.TMPDIR + '/pid', String(process.pid))
      process.stdout.write(JSON.stringify({ id: request.id, features: ['start', 'connect', 'send', 'dump'] }) + '\\n')
    })
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, [`${rootFolder}bin/chat-conformance`, 'client', 'state/messages/a-message-comes', '--slow', '10', '--', process.execPath, '-e', stubborn], {
    cwd: rootFolder, env: { ...process.env, TMPDIR: folder }, stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.after(() => { child.kill('SIGKILL') })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { said += text })
  while (!existsSync(join(folder, 'pid')) || readFileSync(join(folder, 'pid'), 'utf8') === '') {
    assert.equal(child.exitCode, null)
    await delay(10)
  }
  child.kill('SIGINT')
  assert.deepEqual(await once(child, 'close'), [130, null])
  assert.equal(said, 'Stopped after 0 of 1 cases.\n')
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  assert.deepEqual(readdirSync(folder), ['pid'])
})
