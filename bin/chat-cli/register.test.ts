/** How long `chat register` waits for an answer. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { encodeClose } from '../../protocol/generated/frames.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { parseCommand } from './arguments.js'
import { ChatFailure, EXIT } from './failure.js'
import { registerUser } from './register.js'
import type { World } from './world.js'

test('--timeout 0 waits for a server that is silent for an hour', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chatd-register-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'password'), 'secret\n')
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const world: World = {
    stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), environment: {}, hostName: 'laptop', homeDirectory: folder,
    stop: new AbortController().signal,
  }
  const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
  const command = parseCommand(['register', 'alice', '--server', url, '--password-file', join(folder, 'password'), '--timeout', '0'])
  assert.ok(command.kind === 'register')

  t.mock.timers.enable({ apis: ['setTimeout'] })
  const ended = assert.rejects(registerUser(command, world), (error) => error instanceof ChatFailure && error.exitCode === EXIT.credentials)
  const [socket] = await once(server, 'connection') as [Socket]
  await once(socket, 'data')
  t.mock.timers.tick(3_600_000)
  socket.end(encodeClose(ERROR.nameTaken, 0, '', ''))
  await ended
})
