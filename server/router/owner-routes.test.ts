import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFields } from '../log.js'
import { SILENT_LOG } from '../log.js'
import { OwnerRoutes } from './owner-routes.js'
import type { RemoteRouter } from './remote-router.js'

const OWNER = { kind: 'node', node: 'n3', address: 'tls://10.0.0.3:5340' } as const

interface Tried {
  readonly routes: OwnerRoutes
  readonly said: LogFields[]
  /** Whether the owner can be reached, and why not. */
  reachable: Error | null
  /** Lets that many waits of a retry pass. */
  pass(retries: number): Promise<void>
}

function routesTo(): Tried {
  const said: LogFields[] = []
  const waiting: (() => void)[] = []
  const tried: Tried = {
    routes: new OwnerRoutes({
      local: () => null, clock: { monotonicMs: () => 0 }, random: () => 0, blobBytesMax: 1,
      scheduler: { defer: setImmediate, after: (_delayMs, task) => { waiting.push(task) } },
      dial: () => tried.reachable === null ? Promise.resolve({ link: { hasEnded: false }, blobs: null, close() {} } as unknown as RemoteRouter) : Promise.reject(tried.reachable),
      log: { ...SILENT_LOG, warn: (fields, event) => { if (event === 'owner-not-reached') said.push(fields) } },
    }),
    said,
    reachable: null,
    async pass(retries) {
      for (let i = 0; i < retries; i++) {
        await new Promise(setImmediate)
        waiting.shift()?.()
      }
      await new Promise(setImmediate)
    },
  }
  return tried
}

test('an owner that is not reached for a while is in the log once for each reason, and health has the reason', async () => {
  const tried = routesTo()
  tried.reachable = new Error('self-signed certificate')
  tried.routes.follow(OWNER)
  await tried.pass(2)
  // A node that has just died is not reached either, until another one owns the shard.
  assert.deepEqual([tried.said, tried.routes.unreached], [[], 'n3 owns it, and is not reached yet'])
  await tried.pass(10)
  const says = { node: 'n3', address: 'tls://10.0.0.3:5340', reason: 'self-signed certificate' }
  assert.deepEqual(tried.said, [says])
  assert.equal(tried.routes.unreached, "n3 owns it, and can't be reached: self-signed certificate")
  tried.reachable = new Error('certificate has expired')
  await tried.pass(3)
  assert.deepEqual(tried.said, [says, { ...says, reason: 'certificate has expired' }])
  tried.reachable = null
  await tried.pass(1)
  assert.equal(tried.routes.unreached, '')
})

test('nothing is said of an owner that is none any more', async () => {
  const tried = routesTo()
  tried.reachable = new Error('connection refused')
  tried.routes.follow(OWNER)
  await tried.pass(10)
  tried.routes.follow(null)
  assert.equal(tried.routes.unreached, '')
})
