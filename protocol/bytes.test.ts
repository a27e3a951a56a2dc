import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { allocate, concatBytes, equalBytes } from './bytes.js'
import { decodeBase64, encodeBase64 } from './base64.js'

test('[FRM-1] joins and compares bytes', () => {
  const joined = concatBytes(new Uint8Array([1, 2]), new Uint8Array(0), new Uint8Array([3]))
  assert.deepEqual(joined, new Uint8Array([1, 2, 3]))
  assert.ok(equalBytes(joined, new Uint8Array([1, 2, 3])))
  assert.ok(!equalBytes(joined, new Uint8Array([1, 2, 4])))
  assert.ok(!equalBytes(joined, new Uint8Array([1, 2])))
  assert.equal(allocate(5).length, 5)
})

test('[SCR-1] base64 is that of the platform, and has one spelling', () => {
  for (let size = 0; size < 70; size++) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 89 + size * 7) % 256)
    const text = encodeBase64(bytes)
    assert.equal(text, Buffer.from(bytes).toString('base64'))
    assert.deepEqual(decodeBase64(text), bytes)
  }
  for (const text of ['A', 'AA', 'AAA', 'A===', '====', 'AA=A', 'AAAA=', 'AB==', 'AAB=', 'AA==AAAA', 'AA_-', 'AAAA\n', ' AAAA', '\u0410AAA']) {
    assert.equal(decodeBase64(text), null, text)
  }
})

/** Runs in a process that has lost Buffer before the codec is loaded, as a browser never had it. */
const WITHOUT_BUFFER = `
  delete globalThis.Buffer
  const { readFileSync } = process.getBuiltinModule('node:fs')
  const codec = await import(process.argv[1])
  const vectors = JSON.parse(readFileSync(new URL(process.argv[2]), 'utf8'))
  const problems = []
  for (const { name, hex } of vectors.valid) {
    const bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16))
    const decoder = new codec.FrameDecoder(65536)
    decoder.push(bytes)
    const frame = decoder.next()
    if (typeof frame === 'number' || frame === null || !codec.equalBytes(codec.encodeFrame(frame), bytes)) problems.push(name)
  }
  for (const { name, hex, error, frameBytesMax } of vectors.invalid) {
    const decoder = new codec.FrameDecoder(frameBytesMax ?? 65536)
    decoder.push(Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16)))
    if (decoder.next() !== error) problems.push(name)
  }
  process.stdout.write(JSON.stringify({ hasBuffer: 'Buffer' in globalThis, count: vectors.valid.length, problems }))
`

test('[FRM-1] the codec does the same without Buffer', () => {
  const paths = [new URL('./protocol.js', import.meta.url).href, new URL('../../conformance/vectors/codec.json', import.meta.url).href]
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', WITHOUT_BUFFER, ...paths], { encoding: 'utf8' })
  const result = JSON.parse(output) as { hasBuffer: boolean; count: number; problems: string[] }
  assert.equal(result.hasBuffer, false)
  assert.ok(result.count > 200)
  assert.deepEqual(result.problems, [])
})
