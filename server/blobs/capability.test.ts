import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Capabilities, type DownloadClaims, type UploadClaims, urlExpiryMs } from './capability.js'

const SECRET = Buffer.alloc(32, 7)
const capabilities = new Capabilities(SECRET)
const UPLOAD: UploadClaims = { id: 'ab'.repeat(16), user: 'alice', size: 16_777_216, expiresMs: 2_000_000_000_000 }
const DOWNLOAD: DownloadClaims = { id: 'cd'.repeat(32), rendition: 'original', name: '', expiresMs: 2_000_000_000_000 }

function opened(path: string, nowMs = 0, by = capabilities): DownloadClaims | null {
  const [id, query] = path.slice('/blobs/'.length).split('?')
  return by.openDownload(id!, query!, nowMs)
}

test('[BLB-9] a token opens to what it was made for, also after a restart, until it expires', () => {
  const token = capabilities.uploadToken(UPLOAD)
  assert.deepEqual(new Capabilities(SECRET).openUpload(token, UPLOAD.expiresMs - 1), UPLOAD)
  assert.equal(capabilities.openUpload(token, UPLOAD.expiresMs), null)
  assert.equal(new Capabilities(Buffer.alloc(32, 8)).openUpload(token, 0), null)
})

test('[BLB-9] a token of which any bit was changed opens to nothing, and so does anything else', () => {
  const token = Buffer.from(capabilities.uploadToken(UPLOAD), 'base64url')
  for (let bit = 0; bit < token.length * 8; bit++) {
    const changed = Buffer.from(token)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    assert.equal(capabilities.openUpload(changed.toString('base64url'), 0), null)
  }
  const last = token.toString('base64url').replace(/.$/, (letter) => String.fromCharCode(letter.charCodeAt(0) + 1))
  for (const text of [last, '', 'x', '!', token.subarray(0, 40).toString('base64url'), `${token.toString('base64url')}AAAA`, 'A'.repeat(5000), ' '.repeat(80)]) {
    assert.equal(capabilities.openUpload(text, 0), null)
  }
})

test('[BLB-18] a URL opens to what it was made for, until it expires', () => {
  for (const claims of [
    DOWNLOAD, { ...DOWNLOAD, rendition: 'thumbnail' }, { ...DOWNLOAD, name: 'a "b" & c?d=e#f/../\u00e9\u{1f600}.jpg' },
  ] as const) {
    assert.deepEqual(opened(capabilities.downloadPath(claims)), claims)
    assert.equal(opened(capabilities.downloadPath(claims), claims.expiresMs), null)
    assert.equal(capabilities.downloadPath(claims), new Capabilities(SECRET).downloadPath(claims))
  }
})

test('[BLB-18] a URL with any part changed, added, doubled or taken away opens to nothing', () => {
  const path = capabilities.downloadPath({ ...DOWNLOAD, rendition: 'thumbnail', name: 'beach.jpg' })
  assert.notEqual(opened(path), null)
  for (const changed of [
    path.replace('cdcd', 'cdce'), path.replace('r=thumbnail', 'r=square-96'), path.replace('r=thumbnail&', ''), path.replace('beach', 'reach'),
    path.replace('e=', 'e=1'), `${path}&x=1`, `${path}&r=thumbnail`, path.replace(/m=./, 'm=_'), path.replace(/&m=.*/, ''), path.replace('e=', 'e=-'),
    path.replace(/e=[^&]*/, 'e=NaN'), `${path}A`,
  ]) assert.equal(opened(changed), null, changed)
  // Moving letters from one part to the next is a change too.
  assert.equal(opened(capabilities.downloadPath({ ...DOWNLOAD, name: '1' }).replace('&n=1', '')), null)
  assert.equal(opened(path, 0, new Capabilities(Buffer.alloc(32))), null)
})

test('the keys of tokens and URLs are not the same, and not the secret', () => {
  const token = Buffer.from(capabilities.uploadToken(UPLOAD), 'base64url')
  const mac = token.subarray(0, 32).toString('base64url')
  assert.equal(opened(`${capabilities.downloadPath(DOWNLOAD).replace(/m=.*/, '')}m=${mac}`), null)
})

test('[BLB-18] a URL lasts at most its age, at least three quarters of it, and is the same for a while', () => {
  for (const ageMs of [1, 1000, 60_000, 3_600_000]) {
    const expiries = new Set<number>()
    for (let nowMs = 1_700_000_000_000; nowMs < 1_700_000_000_000 + ageMs; nowMs += Math.max(1, ageMs / 50)) {
      const expiresMs = urlExpiryMs(Math.floor(nowMs), ageMs)
      assert.ok(expiresMs <= Math.floor(nowMs) + ageMs && expiresMs >= Math.floor(nowMs) + ageMs * 0.75 - 1)
      expiries.add(expiresMs)
    }
    assert.ok(expiries.size <= 5)
  }
})
