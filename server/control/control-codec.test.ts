import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ControlRequest, decodeRequest, encodeRequest } from './control-codec.js'

const verifier = { salt: Buffer.alloc(16, 1), iterations: 4096, storedKey: Buffer.alloc(32, 2), serverKey: Buffer.alloc(32, 3) }

test('gives every request back as it was', () => {
  const requests: ControlRequest[] = [
    { method: 'addUser', user: 'alice', verifier }, { method: 'changeVerifier', user: 'alice', verifier },
    { method: 'removeUser', user: 'alice' }, { method: 'users', after: '', limit: 5 },
  ]
  for (const request of requests) assert.deepEqual(decodeRequest(encodeRequest(request)), request)
})

test('takes nothing else', () => {
  const good = JSON.parse(encodeRequest({ method: 'addUser', user: 'alice', verifier })) as { verifier: Record<string, unknown> }
  const lines = [
    '', 'x', 'null', '7', '[]', '{}', '{"method":"removeUser"}', '{"method":"users","after":"","limit":0}', '{"method":"shard"}',
    '{"method":"constructor","user":"alice"}', '{"method":"addUser","user":"alice"}',
    JSON.stringify({ ...good, verifier: { ...good.verifier, salt: '' } }),
    JSON.stringify({ ...good, verifier: { ...good.verifier, iterations: 0 } }),
    JSON.stringify({ ...good, verifier: { ...good.verifier, storedKey: 'AAAA' } }),
  ]
  for (const line of lines) assert.equal(decodeRequest(line), null, line)
})
