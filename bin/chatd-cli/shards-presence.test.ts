/** Invites and presence where each shard is a process of its own. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Client, register } from '../../protocol/client/node.js'
import { evenTable, homeOf } from '../../server/channels/federation.js'
import { until } from '../../server/proof/scope.js'
import { PASSWORD } from '../../server/testing/live-server.js'
import { CHATD, folder, start } from './testing/running.js'

const SETTINGS = ['--set', 'data.shards=2', '--set', 'auth.registration=invite']
const USERS = ['carol', 'dave', 'erin', 'frank']

async function invites(command: string, data: string, ...more: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [CHATD, 'invite', command, '--data', data, '--json', '--set', 'auth.registration=invite', ...more])
  return JSON.parse(stdout.trim()) as Record<string, unknown>
}

test('[INV-5] [PRS-5] people come by one invite to different shards, and see who is online, also when a process has died', { timeout: 180_000 }, async (t) => {
  const directory = folder(t)
  const data = join(directory, 'data')
  const server = await start(t, directory, SETTINGS)
  assert.equal(new Set(USERS.map((user) => homeOf({ shardOf: evenTable(2) }, user))).size, 2)
  const { code } = await invites('create', data, '--uses', String(USERS.length))
  const url = server.listeners[0]!
  for (const user of USERS) await register({ server: url, user, password: PASSWORD, invite: String(code) })
  await assert.rejects(register({ server: url, user: 'grace', password: PASSWORD, invite: String(code) }))
  const { used, state } = await invites('list', data)
  assert.deepEqual([used, state], [USERS.length, 'used'])

  const clients = USERS.map((user) => new Client({ server: url, user, password: PASSWORD, device: 'phone' }))
  t.after(() => Promise.all(clients.map((client) => client.close())))
  await Promise.all(clients.map((client) => client.connect()))
  for (const client of clients) await client.watch(...USERS)
  const isSeen = (who: readonly Client[], user: string, isOnline: boolean): boolean => who.every((client) => client.presence(user)?.isOnline === isOnline)
  await until('all to see all', () => USERS.every((user) => isSeen(clients, user, true)))
  const [first, ...others] = clients as [Client, ...Client[]]
  await first.close()
  await until('all to see who has gone', () => isSeen(others, USERS[0]!, false))
  const started = (): readonly { readonly workerPid: number }[] => server.lines.filter(({ event }) => event === 'worker-started')
  for (const { workerPid } of started()) {
    const before = started().length
    // Not both at once: the port that was taken is kept while one of them listens.
    process.kill(workerPid, 'SIGKILL')
    await until('another one to be there', () => started().length > before)
    const again = new Client({ server: url, user: USERS[0]!, password: PASSWORD, device: 'tablet' })
    await again.connect()
    await until('all to see who is back', () => isSeen(others, USERS[0]!, true))
    await again.close()
    await until('all to see who has gone', () => isSeen(others, USERS[0]!, false))
    await until('all to see all others', () => USERS.slice(1).every((user) => isSeen(others, user, true)))
  }
  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 0)
})
