import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import sharp from 'sharp'
import { agrees, HEAD_BYTES, isAllowed, isShownInline, sniff } from './content-type.js'
import { animated, PDF, png, pngChunk, pngHeader, PREVIEWED, quarters } from './testing/pictures.js'

async function typeOf(content: string | Uint8Array): Promise<string> {
  return (await sniff(typeof content === 'string' ? Buffer.from(content, 'latin1') : content)).type
}

test('tells pictures by their content', async () => {
  for (const format of PREVIEWED) {
    assert.deepEqual(await sniff(await quarters(40, 30).toFormat(format).toBuffer()), { type: `image/${format}`, kind: 'image' })
  }
  assert.equal(await typeOf(await animated('webp')), 'image/webp')
  const apng = png(pngHeader(1, 1), pngChunk('acTL', Buffer.alloc(8)), pngChunk('IDAT', Buffer.alloc(8)))
  assert.equal(await typeOf(apng), 'image/png', 'an animated PNG is a PNG')
})

const SIGNATURES: readonly (readonly [type: string, kind: string, hex: string])[] = [
  ['video/mp4', 'video', '0000001866747970' + Buffer.from('isom').toString('hex') + '00000200' + Buffer.from('isommp42').toString('hex')],
  ['audio/mp4', 'audio', '0000001866747970' + Buffer.from('M4A ').toString('hex') + '00000000' + Buffer.from('M4A mp42').toString('hex')],
  ['image/heic', 'image', '0000001866747970' + Buffer.from('heic').toString('hex') + '00000000' + Buffer.from('mif1heic').toString('hex')],
  ['video/webm', 'video', '1a45dfa3' + '8b' + '4282' + '84' + Buffer.from('webm').toString('hex') + '42878104'],
  ['audio/mpeg', 'audio', 'fffb9064' + '00'.repeat(64)],
  ['audio/ogg', 'audio', Buffer.from('OggS').toString('hex') + '0002' + '00'.repeat(22) + Buffer.from('OpusHead').toString('hex')],
  ['audio/wav', 'audio', Buffer.from('RIFF').toString('hex') + '24000000' + Buffer.from('WAVEfmt ').toString('hex')],
  ['application/pdf', 'other', Buffer.from(PDF).toString('hex') + 'e2e3cfd3'],
  ['application/zip', 'other', '504b0506' + '00'.repeat(18)],
  ['application/x-msdownload', 'other', '4d5a9000' + '00'.repeat(64)],
]

test('tells sound, film and other files by their signatures', async () => {
  for (const [type, kind, hex] of SIGNATURES) assert.deepEqual(await sniff(Buffer.from(hex, 'hex')), { type, kind })
})

test('tells markup and scripts, whatever stands before and however they are written', async () => {
  const cases: readonly (readonly [content: string | Uint8Array, type: string])[] = [
    ['<!DOCTYPE html><html></html>', 'text/html'], ['\xef\xbb\xbf \t\r\n<HtMl>', 'text/html'], ['<script>alert(1)</script>', 'text/html'],
    ['<!-- a comment --><p>', 'text/html'], ['<b', 'text/html'], ['<body/onload=alert(1)>', 'text/html'], ['<img src=x onerror=alert(1)>', 'text/html'],
    [Buffer.from('\uFEFF<!doctype html>', 'utf16le'), 'text/html'], [Buffer.from('\uFEFF<svg>', 'utf16le').swap16(), 'image/svg+xml'],
    ['<svg xmlns="http://www.w3.org/2000/svg"/>', 'image/svg+xml'], ['<?xml version="1.0"?><!-- x --><svg>', 'image/svg+xml'],
    ['<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>', 'image/svg+xml'],
    ['<?xml version="1.0"?><x:svg xmlns:x="http://www.w3.org/2000/svg"/>', 'image/svg+xml'],
    ['<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">', 'application/xhtml+xml'], ['<?xml version="1.0"?><feed/>', 'application/xml'],
    ['#!/bin/sh\nrm -rf /', 'text/x-script'], ['<?php echo 1 ?>', 'application/x-httpd-php'],
  ]
  for (const [content, type] of cases) assert.deepEqual(await sniff(typeof content === 'string' ? Buffer.from(content, 'latin1') : content), { type, kind: 'other' })
})

test('takes what is text for text, and the rest for nothing known', async () => {
  assert.equal(await typeOf('let x = 1\n'), 'text/plain')
  assert.equal(await typeOf('<bold claims>'), 'text/plain', 'no tag that a browser knows')
  assert.equal(await typeOf(Buffer.from('žluťoučký kůň')), 'text/plain')
  assert.equal(await typeOf(''), 'text/plain')
  assert.equal(await typeOf(Buffer.from('\uFEFFhello', 'utf16le')), 'text/plain')
  assert.equal(await typeOf('caf\xe9'), 'application/octet-stream', 'no UTF-8')
  assert.equal(await typeOf('a\x00b'), 'application/octet-stream')
  const cut = Buffer.concat([Buffer.alloc(HEAD_BYTES - 1, 'a'), Buffer.from('é'), Buffer.alloc(10)])
  assert.equal(await typeOf(cut), 'text/plain', 'the head ends within a character, and what lies behind it does not count')
})

test('gives a file of several formats one type, by what it begins with', async () => {
  const jpeg = await quarters(40, 30).jpeg().toBuffer()
  const gif = await quarters(40, 30).gif().toBuffer()
  const comment = Buffer.from('<html><script>alert(1)</script>')
  const length = Buffer.alloc(2)
  length.writeUInt16BE(comment.length + 2)
  const cases: readonly (readonly [name: string, content: Uint8Array, type: string])[] = [
    ['a GIF that is a Java archive too', Buffer.concat([gif, Buffer.from('504b0304', 'hex'), Buffer.alloc(30)]), 'image/gif'],
    ['a GIF that is a script too', Buffer.from('GIF89a/*\x01\x00\x80\x00\x00\x00*/=1;alert(1)'), 'image/gif'],
    ['a JPEG with a page in its comment', Buffer.concat([jpeg.subarray(0, 2), Buffer.from('fffe', 'hex'), length, comment, jpeg.subarray(2)]), 'image/jpeg'],
    ['a page that goes on as a JPEG', Buffer.concat([Buffer.from('<html>'), jpeg]), 'text/html'],
    ['a PDF behind a script', Buffer.from('<script>alert(1)</script>\n' + PDF), 'text/html'],
    ['a page that is a tape archive too', tarOf('<script>alert(1)</script>'), 'text/html'],
    ['a page that ends as a film begins', Buffer.from('<a>\nftypisom\x00\x00\x02\x00isom'), 'text/html'],
  ]
  for (const [name, content, type] of cases) assert.equal(await typeOf(content), type, name)
})

/** A header of a tape archive begins with the file's name, which can be anything. */
function tarOf(name: string): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0', 100)
  header.write('ustar\x0000', 257)
  header.fill(' ', 148, 156)
  header.write(header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0') + '\0 ', 148)
  return header
}

test('shows nothing in place that a browser could run', async () => {
  for (const type of ['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif', 'video/mp4', 'video/webm', 'audio/mpeg']) assert.equal(isShownInline(type), true, type)
  for (const type of ['text/html', 'image/svg+xml', 'application/xml', 'application/xhtml+xml', 'application/pdf', 'text/plain', 'text/x-script',
    'application/octet-stream', 'image/heic', 'image/tiff', 'IMAGE/PNG', 'image/png; x', '']) assert.equal(isShownInline(type), false, type)
})

test('lets in what an operator\'s patterns name', () => {
  assert.equal(isAllowed('image/png', ['image/*']), true)
  assert.equal(isAllowed('application/pdf', ['image/*', ' Application/PDF ']), true)
  assert.equal(isAllowed('image/jpeg', ['image/jpg']), true, 'by another name of the same format')
  assert.equal(isAllowed('text/html', ['*']), true)
  assert.equal(isAllowed('text/html', ['*/*']), true)
  for (const patterns of [[], ['image/*'], ['text/htm'], ['text'], ['/*'], ['text/html/*'], ['']]) assert.equal(isAllowed('text/html', patterns), false, String(patterns))
  assert.equal(isAllowed('imagex/png', ['image/*']), false)
})

test('compares a claim with the content by formats, not by letters', () => {
  for (const [claimed, sniffed] of [['image/jpg', 'image/jpeg'], ['IMAGE/PNG; x=1', 'image/png'], ['', 'image/png'], ['application/octet-stream', 'text/html'],
    ['text/csv', 'text/plain'], ['application/json', 'text/plain'], ['application/vnd.oasis.opendocument.text', 'application/zip'],
    ['application/x-thing', 'application/octet-stream']] as const) assert.equal(agrees(claimed, sniffed), true, `${claimed} ${sniffed}`)
  for (const [claimed, sniffed] of [['image/jpeg', 'text/plain'], ['image/jpeg', 'application/octet-stream'], ['text/html', 'text/plain'], ['text/plain', 'text/html'],
    ['image/png', 'image/svg+xml'], ['image/png', 'application/zip']] as const) assert.equal(agrees(claimed, sniffed), false, `${claimed} ${sniffed}`)
})

test('says the same of the same bytes, whatever they are, and looks no further than the head', async () => {
  const jpeg = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } }).jpeg().toBuffer()
  const starts = [...SIGNATURES.map(([, , hex]) => Buffer.from(hex, 'hex')), jpeg, Buffer.from('<?xml '), Buffer.from('504b0304140000000800', 'hex'), Buffer.from('ID3\x03\x00\x00\x7f\x7f\x7f\x7f'),
    Buffer.from('3026b2758e66cf11a6d900aa0062ce6c', 'hex'), Buffer.from('1f8b0800', 'hex'), Buffer.from('49492a00', 'hex'), Buffer.alloc(0)]
  await fc.assert(fc.asyncProperty(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 600 }), fc.nat(5000), async (start, rest, padding) => {
    const content = Buffer.concat([start, rest, Buffer.alloc(padding, rest[0] ?? 0)])
    const first = await sniff(content)
    assert.match(first.type, /^[a-z]+\/[a-z0-9.+-]+$/)
    assert.deepEqual(await sniff(Buffer.from(content)), first)
    assert.deepEqual(await sniff(Buffer.concat([content.subarray(0, HEAD_BYTES), ...content.length < HEAD_BYTES ? [] : [Buffer.from('<html>')]])), first)
  }), { numRuns: 500, seed: 5 })
})
