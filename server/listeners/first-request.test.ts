import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstTarget } from './first-request.js'

test('the target of the first request is known once its line is complete', () => {
  for (const [text, target] of [
    ['', null], ['GET /blobs', null], ['GET / HTTP/1.1', null], ['GET / HTTP/1.1\r\n', '/'], ['\r\n\r\nPUT /blobs/x?y HTTP/1.1\nHost', '/blobs/x?y'],
    ['OPTIONS http://host/blobs/ HTTP/1.0\r\n', 'http://host/blobs/'], ['\x16\x03\x01\n', ''], ['GET  / HTTP/1.1\r\n', ''], ['GET / HTTP/2\r\n', ''], ['hello\r\n', ''],
  ] as const) assert.equal(firstTarget(Buffer.from(text, 'latin1')), target, JSON.stringify(text))
})
