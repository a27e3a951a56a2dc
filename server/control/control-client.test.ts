import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import { connectControl } from './control-client.js'
import { controlPath } from './control-path.js'

for (const [how, reads] of [['with the request unread', false], ['behind the request', true]] as const) {
  test(`a server that dies ${how} is told as unavailable`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'chatd-control-'))
    t.after(() => { rmSync(directory, { recursive: true, force: true }) })
    const server = createServer({ pauseOnConnect: !reads }).listen(controlPath(directory))
    t.after(() => server.close())
    await once(server, 'listening')
    const connected = once(server, 'connection') as Promise<[Socket]>
    const client = await connectControl(directory)
    const [socket] = await connected
    const read = reads ? once(socket, 'data') : turn()
    const failed = assert.rejects(client!.users('', 10), (error) => error instanceof RouterError && error.code === ERROR.unavailable)
    await read
    socket.destroy()
    await failed
    await assert.rejects(client!.users('', 10), (error) => error instanceof RouterError && error.code === ERROR.unavailable)
  })
}
