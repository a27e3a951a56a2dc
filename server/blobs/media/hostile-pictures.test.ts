/** Pictures made to break decoders, to fill memory or to take for ever. None may harm the pool: the next picture is as good as ever. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { seeded } from '../../testing/seeded-random.js'
import { animated, deflatedZeros, gifOfFrames, PDF, png, pngChunk, pngHeader, PREVIEWED, quarters, withPngChunks } from './testing/pictures.js'
import { ALL, poolFor, rendition, type TestPool, THUMBNAIL } from './testing/preview-testing.js'

const fine = await quarters(400, 300).png().toBuffer()
const MiB = 1024 * 1024
/** 64 MiB of them in 64 KiB. */
const zeros = pngChunk('IDAT', deflatedZeros(64 * MiB))

/** The most memory that the pool's process has held, in bytes; 0 where the system doesn't say. */
function peakBytes({ pool }: TestPool): number {
  if (process.platform !== 'linux') return 0
  return Math.max(...pool.pids.map((pid) => Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'latin1'))![1]) * 1024))
}

/** Warms a process up, so that what it holds anyway is known. */
async function warm(t: TestContext): Promise<TestPool & { growth: () => number }> {
  const pool = poolFor(t)
  assert.ok(await pool.look(fine, 'image/png', THUMBNAIL))
  const pid = pool.pool.pids[0]
  const before = peakBytes(pool)
  return { ...pool, growth: () => {
    assert.equal(pool.pool.pids[0], pid, 'the process is still the same')
    return peakBytes(pool) - before
  } }
}

test('refuses a PNG of 50,000 by 50,000 pixels by its header, before anything is decoded', async (t) => {
  const pool = await warm(t)
  const small = png(pngHeader(50_000, 50_000), pngChunk('IDAT', deflateSync(Buffer.alloc(100))))
  assert.ok(small.length < 200)
  // As many zeros as the header promises follow, in 2.5 MB.
  const bomb = png(pngHeader(50_000, 50_000), ...Array.from({ length: 38 }, () => zeros))
  for (const picture of [small, bomb]) assert.equal(await pool.look(picture, 'image/png'), null)
  assert.deepEqual(pool.outcomes.slice(1), ['too-large', 'too-large'])
  assert.ok(pool.growth() < 64 * MiB, String(pool.growth()))
  assert.ok(await pool.look(fine, 'image/png', THUMBNAIL))
})

test('takes pictures up to the limit of pixels and none beyond', async (t) => {
  const { look, outcomes } = poolFor(t, { pixelsMax: 120_000 })
  assert.ok(await look(fine, 'image/png', THUMBNAIL))
  assert.equal(await look(await quarters(401, 300).png().toBuffer(), 'image/png', THUMBNAIL), null)
  assert.deepEqual(outcomes, ['made', 'too-large'])
})

test('takes a photo of 48 megapixels', async (t) => {
  const { look } = poolFor(t)
  const photo = await sharp({ create: { width: 8000, height: 6000, channels: 3, background: '#68a' } }).jpeg().toBuffer()
  assert.deepEqual(rendition(await look(photo, 'image/jpeg', THUMBNAIL), 'thumbnail').width, 320)
})

test('decodes no more rows than the header says, however many are there', async (t) => {
  const pool = await warm(t)
  const picture = png(pngHeader(100, 100), ...Array.from({ length: 4 }, () => zeros))
  await pool.look(picture, 'image/png', THUMBNAIL)
  assert.ok(pool.growth() < 64 * MiB, String(pool.growth()))
})

test('does not unpack profiles and texts that are archives of zeros', async (t) => {
  const pool = await warm(t)
  const packed = deflatedZeros(MiB * 256)
  const profile = pngChunk('iCCP', Buffer.concat([Buffer.from('bomb\0\0'), packed]))
  const text = pngChunk('zTXt', Buffer.concat([Buffer.from('bomb\0\0'), packed]))
  const international = pngChunk('iTXt', Buffer.concat([Buffer.from('bomb\0\x01\0\0\0'), packed]))
  for (const picture of [withPngChunks(fine, profile), withPngChunks(fine, text), withPngChunks(fine, international), withPngChunks(fine, profile, text, international)]) {
    await pool.look(picture, 'image/png')
  }
  assert.ok(pool.growth() < 64 * MiB, String(pool.growth()))
  assert.ok(await pool.look(fine, 'image/png', THUMBNAIL))
})

test('looks at the first of 100,000 frames', async (t) => {
  const pool = await warm(t)
  const picture = gifOfFrames(100_000)
  const preview = await pool.look(picture, 'image/gif', THUMBNAIL)
  assert.deepEqual([preview?.width, preview?.height], [1, 1])
  assert.ok(pool.growth() < 200 * MiB, String(pool.growth()))
})

test('has no preview for pictures whose headers promise what does not follow', async (t) => {
  const { look, outcomes } = poolFor(t)
  const webp = await quarters(40, 30).webp({ lossless: true }).toBuffer()
  const vp8x = Buffer.concat([Buffer.from('VP8X'), Buffer.from('0a000000', 'hex'), Buffer.from('00000000', 'hex'), Buffer.from('ffff00ffff00', 'hex')])
  const lyingWebp = Buffer.concat([webp.subarray(0, 12), vp8x, webp.subarray(12)])
  lyingWebp.writeUInt32LE(lyingWebp.length - 8, 4)
  const avif = await quarters(64, 64).avif({ effort: 0 }).toBuffer()
  const lyingAvif = Buffer.from(avif)
  const sizeAt = lyingAvif.indexOf('ispe') + 8
  lyingAvif.writeUInt32BE(60_000, sizeAt)
  lyingAvif.writeUInt32BE(60_000, sizeAt + 4)
  for (const [picture, type] of [[lyingWebp, 'image/webp'], [lyingAvif, 'image/avif']] as const) assert.equal(await look(picture, type), null, type)
  for (const outcome of outcomes) assert.ok(outcome === 'undecodable' || outcome === 'too-large', outcome)
  const longGif = Buffer.from(await quarters(40, 30).gif().toBuffer())
  longGif.writeUInt16LE(65_535, 6)
  longGif.writeUInt16LE(65_535, 8)
  assert.deepEqual((await look(longGif, 'image/gif'))?.width, 40, 'a screen without a picture on it is not drawn')
  assert.ok(await look(fine, 'image/png', THUMBNAIL))
})

test('has no preview for half a picture, noise, texts and nothing', async (t) => {
  const { look, outcomes, pool } = poolFor(t)
  for (const format of PREVIEWED) {
    const picture = await quarters(200, 150).toFormat(format).toBuffer()
    for (const part of [0.1, 0.5]) await look(picture.subarray(0, picture.length * part), `image/${format}`, ALL)
  }
  const count = outcomes.length
  for (const content of [Buffer.from('this is no picture'), Buffer.alloc(1000), Buffer.of(0xff, 0xd8, 0xff), Buffer.from('P6 10 10 255 ' + 'a'.repeat(300))]) {
    for (const format of PREVIEWED) assert.equal(await look(content, `image/${format}`), null)
  }
  assert.ok(outcomes.slice(count).every((outcome) => outcome === 'undecodable'))
  assert.ok(outcomes.slice(0, count).every((outcome) => outcome === 'undecodable' || outcome === 'made'), outcomes.join())
  assert.equal(outcomes.slice(0, count).filter((outcome) => outcome === 'undecodable').length > 6, true, 'a few bytes of a GIF may hold the first frame')
  assert.equal(pool.pids.length, 1)
})

test('never decodes documents and formats beyond the list, whatever they are called', async (t) => {
  const { look, outcomes } = poolFor(t)
  const documents = [
    Buffer.from('<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><text>&x;</text></svg>'),
    Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><image href="http://127.0.0.1:1/" width="10" height="10"/></svg>'),
    Buffer.from(PDF + '1 0 obj<<>>endobj\n'), Buffer.from('push graphic-context\nimage over 0,0 0,0 "https://example.com/x"\npop graphic-context'),
    await quarters(40, 30).tiff().toBuffer(),
  ]
  for (const content of documents) for (const format of PREVIEWED) assert.equal(await look(content, `image/${format}`), null)
  assert.ok(outcomes.every((outcome) => outcome === 'undecodable'))
})

test('survives a few hundred pictures with changed bytes', async (t) => {
  const random = seeded(20_261_126)
  const pool = poolFor(t, { picturesPerProcessMax: 1000 })
  const originals = await Promise.all([
    ...PREVIEWED.map(async (format) => ({ type: `image/${format}`, bytes: await quarters(48, 32).toFormat(format).withExif({ IFD0: { Artist: 'x' } }).toBuffer() })),
    ...(['gif', 'webp'] as const).map(async (format) => ({ type: `image/${format}`, bytes: await animated(format) })),
  ])
  let made = 0
  for (let n = 0; n < 350; n++) {
    const { type, bytes } = originals[n % originals.length]!
    // Headers are where the decisions are: most changes go there.
    const changed = Buffer.from(bytes)
    for (let left = 1 + Math.floor(random() * 6); left > 0; left--) {
      changed[Math.floor(random() ** 3 * changed.length)] = random() < 0.5 ? Math.floor(random() * 256) : random() < 0.5 ? 0 : 255
    }
    const end = random() < 0.2 ? Math.floor(random() * changed.length) : changed.length
    const preview = await pool.look(changed.subarray(0, Math.max(1, end)), type, { thumbnail: true, squares: false, stripped: true })
    if (preview !== null) made++
  }
  assert.ok(pool.outcomes.every((outcome) => outcome === 'made' || outcome === 'undecodable' || outcome === 'too-large'), [...new Set(pool.outcomes)].join())
  assert.ok(made > 50 && made < 340, `${String(made)} were decoded: the changes are neither too small nor too large to find anything`)
  assert.ok(await pool.look(fine, 'image/png', THUMBNAIL))
})
