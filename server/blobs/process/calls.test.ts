import assert from 'node:assert/strict'
import { deserialize, serialize } from 'node:v8'
import { test } from 'node:test'
import { ERROR } from '../../../protocol/generated/registry.js'
import { BlobError } from '../../../storage/blobs/blob-store.js'
import { RouterError } from '../../router/router.js'
import { HttpError } from '../http-error.js'
import { type CallMessage, Calls } from './calls.js'

/** Two ends, with the channel's own copies between them. */
function pair(handlers: ConstructorParameters<typeof Calls>[1]): [Calls, Calls] {
  const far: Calls = new Calls((message) => { near.received(deserialize(serialize(message)) as CallMessage) }, handlers)
  const near: Calls = new Calls((message) => { far.received(deserialize(serialize(message)) as CallMessage) }, {})
  return [near, far]
}

test('a call resolves with what the other end gives, bytes included, and calls may overtake each other', async () => {
  let release: () => void = () => {}
  const [near] = pair({
    slow: () => new Promise<string>((resolve) => { release = () => resolve('slow') }),
    sum: async (bytes: Uint8Array, more: number) => ({ sum: bytes.reduce((sum, byte) => sum + byte, more), bytes }),
    nothing: async () => null,
  })
  const slow = near.call('slow')
  assert.deepEqual(await near.call('sum', Uint8Array.of(1, 2, 3), 4), { sum: 10, bytes: Uint8Array.of(1, 2, 3) })
  assert.equal(await near.call('nothing'), null)
  release()
  assert.equal(await slow, 'slow')
})

test('errors arrive as what they were, with code, times, headers and cause', async () => {
  const [near] = pair({
    router: () => Promise.reject(new RouterError(ERROR.unavailable, 'not now', { retryAfterMs: 1500 })),
    blob: () => Promise.reject(new BlobError('no-space', 'full', { cause: Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC' }) })),
    http: () => Promise.reject(new HttpError(460, ERROR.hashMismatch, 'other bytes', { retryAfter: 3 })),
    plain: () => Promise.reject(new TypeError('oops')),
  })
  const failure = (name: string): Promise<unknown> => near.call(name).then(() => assert.fail('it did not fail'), (error: unknown) => error)
  const router = await failure('router')
  assert.ok(router instanceof RouterError && router.code === ERROR.unavailable && router.retryAfterMs === 1500 && router.message === 'not now')
  const blob = await failure('blob')
  assert.ok(blob instanceof BlobError && blob.code === 'no-space')
  assert.equal((blob.cause as NodeJS.ErrnoException).code, 'ENOSPC')
  const http = await failure('http')
  assert.ok(http instanceof HttpError && http.status === 460 && http.code === ERROR.hashMismatch && http.headers['retry-after'] === '3')
  const plain = await failure('plain')
  assert.ok(plain instanceof Error && plain.message === 'oops' && plain.stack?.includes('calls.test') === true)
  assert.match(String(await failure('missing')), /no call missing/)
})

test('when the other end is gone everything that waits fails, and all that comes later', async () => {
  const [near] = pair({ never: () => new Promise(() => {}) })
  const waiting = near.call('never')
  near.end(new Error('gone'))
  await assert.rejects(waiting, /gone/)
  await assert.rejects(near.call('never'), /gone/)
})
