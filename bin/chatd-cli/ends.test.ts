/** That the server's processes end whatever hangs in them: a call to a file, or who reads their log. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { EXIT } from './failure.js'
import { CHATD, CHEAP, folder } from './testing/running.js'

const skip = process.platform === 'win32' ? 'there are no named pipes' : false
const options = { skip, timeout: 120_000 }

/** A pipe whose other end is the test's to open. */
function namedPipe(directory: string): string {
  const file = join(directory, 'pipe')
  execFileSync('mkfifo', [file])
  return file
}

/** To be loaded before a program: to open the pipe takes a thread of it for good, as a disk that hangs does. */
function hanging(t: TestContext, more = ''): string {
  // Before the folder goes: lets go of whoever a failed test has left behind.
  t.after(() => { closeSync(openSync(pipe, constants.O_RDWR)) })
  const directory = folder(t)
  const pipe = namedPipe(directory)
  const file = join(directory, 'hanging.cjs')
  writeFileSync(file, `require('node:fs').open(${JSON.stringify(pipe)}, 'r', () => {})\n${more}\n`)
  return file
}

function startServer(t: TestContext, given: readonly string[], stderr: 'pipe' | number = 'pipe', args = ['--data', join(folder(t), 'data')]): ChildProcess {
  const child = spawn(process.execPath, [
    ...given, CHATD, 'start', ...args, '--listen', 'tcp://127.0.0.1:0', '--set', 'admin.url=', '--set', 'limits.drainTimeoutMs=0',
    '--set', 'limits.drainJitterMs=0', ...CHEAP,
  ], { stdio: ['ignore', 'pipe', stderr], env: { ...process.env, npm_lifecycle_event: '' } })
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function ready(child: ChildProcess): Promise<void> {
  await once(createInterface({ input: child.stdout! }), 'line')
}

for (const [how, signal, event] of [['stops', 'SIGTERM', 'server-stopped'], ['crashes', 'SIGUSR2', 'crashed']] as const) {
  test(`a call to a file that hangs, and nobody awaits, does not keep a server that ${how}`, options, async (t) => {
    const child = startServer(t, ['--require', hanging(t, 'process.on("SIGUSR2", () => { throw new Error("planned") })')])
    let log = ''
    child.stderr!.on('data', (chunk) => { log += String(chunk) })
    await ready(child)
    const ended = once(child, 'close')
    child.kill(signal)
    assert.deepEqual(await ended, [null, 'SIGKILL'], log)
    assert.match(log, new RegExp(`"event":"${event}"`))
  })
}

test('a crash ends a server by its code where nothing hangs', options, async (t) => {
  const directory = folder(t)
  const file = join(directory, 'crash.cjs')
  writeFileSync(file, 'process.on("SIGUSR2", () => { throw new Error("planned") })')
  const child = startServer(t, ['--require', file])
  let log = ''
  child.stderr!.on('data', (chunk) => { log += String(chunk) })
  await ready(child)
  const ended = once(child, 'close')
  child.kill('SIGUSR2')
  const [code] = await ended as [number | null]
  assert.equal(code, EXIT.crashed, log)
  assert.match(log, /planned.*"event":"crashed"/)
  assert.match(log, /chatd: crashed by a fault of its own \(planned\)/)
})

test('a reader of the log that stalls does not keep a server that stops', options, async (t) => {
  const pipe = namedPipe(folder(t))
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  t.after(() => { closeSync(reader) })
  fill(reader)
  // A description of its own, which waits.
  const stderr = openSync(pipe, constants.O_WRONLY)
  const child = startServer(t, [], stderr)
  closeSync(stderr)
  await ready(child)
  const ended = once(child, 'close')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [null, 'SIGKILL'])
})

function fill(descriptor: number): void {
  try {
    for (;;) writeSync(descriptor, Buffer.alloc(4096))
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN')
  }
}

test('a log that nobody reads any more is no reason not to end well', options, async (t) => {
  const pipe = namedPipe(folder(t))
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const stderr = openSync(pipe, constants.O_WRONLY)
  const child = startServer(t, [], stderr)
  closeSync(stderr)
  await ready(child)
  closeSync(reader)
  const ended = once(child, 'close')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('a hangup without TLS and without a terminal ends no server, and is answered in the log', options, async (t) => {
  const child = startServer(t, [])
  const lines = createInterface({ input: child.stderr! })
  await ready(child)
  const ended = once(child, 'close')
  const heard = new Promise<true>((resolve) => { lines.on('line', (line) => { if (line.includes('"event":"nothing-to-renew"')) resolve(true) }) })
  child.kill('SIGHUP')
  assert.equal(await Promise.race([heard, ended]), true)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('a signal behind a start that failed begins no stop', options, async (t) => {
  const directory = folder(t)
  const file = join(directory, 'lingering.cjs')
  writeFileSync(file, 'setInterval(() => {}, 1000)')
  writeFileSync(join(directory, 'file'), '')
  const child = startServer(t, ['--require', file], 'pipe', ['--data', join(directory, 'file', 'data')])
  let log = ''
  const failed = new Promise<void>((resolve) => {
    child.stderr!.on('data', (chunk) => {
      log += String(chunk)
      if (log.includes('chatd: ')) resolve()
    })
  })
  const ended = once(child, 'close')
  await failed
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [null, 'SIGTERM'], log)
  assert.doesNotMatch(log, /server-stopping/)
})

/** Until the program listens node alone would end it. */
const TELLS_WHEN_IT_LISTENS = 'process.on("newListener", (event) => { if (event === "disconnect") setImmediate(() => process.send({ hangs: true })) })'
const PROGRAMS = [
  ['a worker', 'worker.js', 'cluster.setupPrimary({ exec: program, execArgv, serialization: "advanced" }); const child = cluster.fork()'],
  ['the process of blobs', '../../server/blobs/process/program.js', 'const child = fork(program, { execArgv, serialization: "advanced" })'],
] as const
for (const [name, program, starts] of PROGRAMS) {
  test(`${name} in which a call to a file hangs ends with the server`, options, async (t) => {
    const path = new URL(program, import.meta.url).pathname
    const file = hanging(t, TELLS_WHEN_IT_LISTENS)
    const server = spawn(process.execPath, ['--input-type=module', '--eval', `
      import cluster from 'node:cluster'
      import { fork } from 'node:child_process'
      const [program, execArgv] = [${JSON.stringify(path)}, ['--require', ${JSON.stringify(file)}]]
      ${starts}
      child.on('message', (message) => { if (message.hangs) console.log('hangs') })`,
    ], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => server.kill('SIGKILL'))
    await ready(server)
    // The other process has the same stdout, which is closed with the last of them.
    const closed = once(server, 'close')
    server.kill('SIGKILL')
    await closed
  })
}
