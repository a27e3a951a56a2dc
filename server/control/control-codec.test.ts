import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ControlRequest, decodeRequest, encodeRequest } from './control-codec.js'

const verifier = { salt: Buffer.alloc(16, 1), iterations: 4096, storedKey: Buffer.alloc(32, 2), serverKey: Buffer.alloc(32, 3) }

test('gives every request back as it was', () => {
  const requests: ControlRequest[] = [
    { method: 'addUser', user: 'alice', verifier }, { method: 'changeVerifier', user: 'alice', verifier },
    { method: 'removeUser', user: 'alice' }, { method: 'users', after: '', limit: 5 }, { method: 'setDisabled', user: 'alice', disabled: true },
    { method: 'makeInvite', invite: { id: '7m4hx2kq', secretHash: Buffer.alloc(32, 4), uses: 3, expiresMs: 0 } },
    { method: 'invites', after: '7m4hx2kq', limit: 1 }, { method: 'revokeInvite', id: '7m4hx2kq' }, { method: 'rebuildSearch' },
    { method: 'reports', after: 0, limit: 5 }, { method: 'readReport', id: 7 }, { method: 'closeReport', id: 7 },
    { method: 'cluster', action: 'status', node: '', shard: 0 }, { method: 'cluster', action: 'move', node: 'n1', shard: 3 },
  ]
  for (const request of requests) assert.deepEqual(decodeRequest(encodeRequest(request)), request)
})

test('takes nothing else', () => {
  const good = JSON.parse(encodeRequest({ method: 'addUser', user: 'alice', verifier })) as { verifier: Record<string, unknown> }
  const lines = [
    '', 'x', 'null', '7', '[]', '{}', '{"method":"removeUser"}', '{"method":"users","after":"","limit":0}', '{"method":"shard"}', '{"method":"reports","after":-1,"limit":1}', '{"method":"readReport","id":"1"}', '{"method":"closeReport","id":0.5}',
    '{"method":"constructor","user":"alice"}', '{"method":"cluster","action":"status","node":"n1"}', '{"method":"cluster","action":"drain","node":""}',
    '{"method":"cluster","action":"close","node":"n1"}', '{"method":"cluster","action":"move","node":"n1","shard":-1}', '{"method":"addUser","user":"alice"}',
    JSON.stringify({ ...good, verifier: { ...good.verifier, salt: '' } }), '{"method":"setDisabled","user":"alice"}', '{"method":"revokeInvite"}',
    ...[{ id: 'x' }, { uses: 0 }, { uses: 1e9 }, { expiresMs: -1 }, { secretHash: 'AAAA' }].map((wrong) => JSON.stringify({
      method: 'makeInvite', invite: { id: '7m4hx2kq', secretHash: Buffer.alloc(32).toString('base64'), uses: 1, expiresMs: 0, ...wrong },
    })),
    JSON.stringify({ ...good, verifier: { ...good.verifier, iterations: 0 } }),
    JSON.stringify({ ...good, verifier: { ...good.verifier, storedKey: 'AAAA' } }),
  ]
  for (const line of lines) assert.equal(decodeRequest(line), null, line)
})
