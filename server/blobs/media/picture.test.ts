/** What previews show: made by the real processes, of pictures that are made here. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import sharp, { type Metadata } from 'sharp'
import { thumbHashToAverageRGBA, thumbHashToApproximateAspectRatio } from 'thumbhash'
import { LIMIT } from '../../../protocol/generated/registry.js'
import { sniff } from './content-type.js'
import { PLACEHOLDER_BYTES_MAX, THUMBNAIL_PIXELS } from './previews.js'
import { animated, png, pngChunk, PREVIEWED, quarters, withPngChunks } from './testing/pictures.js'
import { ALL, poolFor, rendition, THUMBNAIL } from './testing/preview-testing.js'

const GPS = { IFD0: { Copyright: 'Alice', Artist: 'SECRET-NAME' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '48/1 8/1 0/1' } }
const XMP = '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="SECRET-XMP"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'

type Colour = 'red' | 'green' | 'blue' | 'white' | 'other'

/** The colours of the four quarters: above left, above right, below left, below right. */
async function quartersOf(picture: Uint8Array): Promise<Colour[]> {
  const { data, info } = await sharp(picture).toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true })
  return [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]].map(([x, y]) => {
    const at = (Math.floor(y! * info.height) * info.width + Math.floor(x! * info.width)) * info.channels
    const [red, green, blue] = [data[at]! > 180, data[at + 1]! > 180, data[at + 2]! > 180]
    return red && green && blue ? 'white' : red && !green && !blue ? 'red' : green && !red && !blue ? 'green' : blue && !red && !green ? 'blue' : 'other'
  })
}

async function assertClean(bytes: Uint8Array): Promise<Metadata> {
  const metadata = await sharp(bytes).metadata()
  assert.equal(metadata.exif, undefined)
  assert.equal(metadata.xmp, undefined)
  assert.equal(metadata.iptc, undefined)
  assert.equal(metadata.comments, undefined)
  assert.equal(metadata.orientation ?? 1, 1)
  assert.equal(Buffer.from(bytes).includes('SECRET'), false)
  return metadata
}

suite('previews', () => {
  test('of each format have their sizes, a placeholder and all renditions', async (t) => {
    const pool = poolFor(t)
    for (const format of PREVIEWED) {
      const picture = await quarters(400, 300).toFormat(format).toBuffer()
      const preview = await pool.look(picture, `image/${format}`)
      assert.ok(preview, format)
      assert.deepEqual([preview.width, preview.height], [400, 300])
      assert.ok(preview.placeholder.length <= 25 && preview.placeholder.length >= 5)
      assert.ok(Math.abs(thumbHashToApproximateAspectRatio(preview.placeholder) - 4 / 3) < 0.3)
      assert.ok(Math.abs(thumbHashToAverageRGBA(preview.placeholder).g - 0.5) < 0.1)
      assert.deepEqual(preview.renditions.map(({ kind, type, width, height }) => [kind, type, width, height]), [
        ['thumbnail', 'image/webp', 320, 240], ['square-640', 'image/webp', 640, 640], ['square-96', 'image/webp', 96, 96],
        ['stripped', `image/${format}`, 400, 300]])
      for (const { bytes, type, width, height } of preview.renditions) {
        const metadata = await assertClean(bytes)
        assert.deepEqual([metadata.width, metadata.height], [width, height])
        assert.equal((await sniff(bytes)).type, type)
        assert.deepEqual(await quartersOf(bytes), ['red', 'green', 'blue', 'white'], format)
      }
    }
    assert.equal(pool.pool.pids.length, 1, 'one process did it all')
  })

  test('[BLB-10] are no larger than the protocol says', () => {
    assert.equal(THUMBNAIL_PIXELS, LIMIT.thumbnailPixelsMax)
    assert.ok(PLACEHOLDER_BYTES_MAX <= LIMIT.placeholderBytesMax)
  })

  test('make nothing that was not asked for', async (t) => {
    const { look } = poolFor(t)
    const picture = await quarters(400, 300).png().toBuffer()
    const preview = await look(picture, 'image/png', { thumbnail: false, squares: false, stripped: false })
    assert.deepEqual(preview?.renditions, [])
    assert.ok(preview && preview.placeholder.length > 0)
    assert.deepEqual((await look(picture, 'image/png', THUMBNAIL))?.renditions.map(({ kind }) => kind), ['thumbnail'])
  })

  test('enlarge small pictures for squares alone, and take very narrow ones', async (t) => {
    const { look } = poolFor(t)
    const small = await look(await quarters(20, 10).png().toBuffer(), 'image/png')
    assert.deepEqual(small?.renditions.map(({ width, height }) => [width, height]), [[20, 10], [640, 640], [96, 96], [20, 10]])
    for (const [width, height] of [[1, 1], [5000, 1], [1, 5000]] as const) {
      const preview = await look(await quarters(width, height).png().toBuffer(), 'image/png')
      assert.deepEqual([preview?.width, preview?.height], [width, height])
      assert.equal(Math.max(rendition(preview, 'thumbnail').width, rendition(preview, 'thumbnail').height), Math.min(320, Math.max(width, height)))
    }
  })

  test('are turned as the camera was held, for all eight orientations', async (t) => {
    const { look } = poolFor(t)
    const turned: readonly (readonly Colour[])[] = [
      ['red', 'green', 'blue', 'white'], ['green', 'red', 'white', 'blue'], ['white', 'blue', 'green', 'red'], ['blue', 'white', 'red', 'green'],
      ['red', 'blue', 'green', 'white'], ['blue', 'red', 'white', 'green'], ['white', 'green', 'blue', 'red'], ['green', 'white', 'red', 'blue'],
    ]
    for (const format of ['jpeg', 'png', 'webp'] as const) {
      for (let orientation = 1; orientation <= 8; orientation++) {
        const picture = await quarters(100, 50).withMetadata({ orientation }).toFormat(format).toBuffer()
        const preview = await look(picture, `image/${format}`, { thumbnail: true, squares: format === 'jpeg', stripped: true })
        const size = orientation < 5 ? [100, 50] : [50, 100]
        assert.deepEqual([preview?.width, preview?.height], size, `${format} ${orientation}`)
        const stripped = rendition(preview, 'stripped')
        assert.deepEqual([stripped.width, stripped.height], size)
        for (const { bytes, kind } of preview!.renditions) assert.deepEqual(await quartersOf(bytes), turned[orientation - 1], `${format} ${orientation} ${kind}`)
        await assertClean(stripped.bytes)
      }
    }
  })

  test('and cleaned originals carry no place, no name, no comment', async (t) => {
    const { look } = poolFor(t)
    for (const format of ['jpeg', 'png', 'webp', 'avif'] as const) {
      let picture: Buffer = await quarters(400, 300).toFormat(format).withExif(GPS).withXmp(XMP).toBuffer()
      if (format === 'png') picture = withPngChunks(picture, pngChunk('tEXt', Buffer.from('Comment\0SECRET-TEXT')), pngChunk('tIME', Buffer.alloc(7)))
      if (format === 'jpeg') picture = Buffer.concat([picture.subarray(0, 2), Buffer.from('fffe000f', 'hex'), Buffer.from('SECRET-COMM\0\0'), picture.subarray(2), Buffer.from('SECRET-FILM')])
      else picture = Buffer.concat([picture, format === 'avif' ? Buffer.concat([Buffer.from('00000013', 'hex'), Buffer.from('uuidSECRET-BOX\0')]) : Buffer.from('SECRET-END')])
      assert.equal(picture.includes('SECRET'), true)
      assert.ok((await sharp(picture).metadata()).exif, `${format}: the test has to have something to lose`)
      const preview = await look(picture, `image/${format}`)
      assert.equal(preview?.renditions.length, 4, format)
      for (const { bytes } of preview.renditions) await assertClean(bytes)
      assert.deepEqual(await quartersOf(rendition(preview, 'stripped').bytes), ['red', 'green', 'blue', 'white'])
    }
  })

  test('leave an animation its frames when it is cleaned, and show its first', async (t) => {
    const { look } = poolFor(t)
    for (const format of ['gif', 'webp'] as const) {
      let picture: Buffer = await animated(format)
      if (format === 'gif') picture = Buffer.concat([picture.subarray(0, -1), Buffer.from('21fe06', 'hex'), Buffer.from('SECRET\0'), Buffer.of(0x3b), Buffer.from('SECRET')])
      const preview = await look(picture, `image/${format}`)
      assert.deepEqual([preview?.width, preview?.height], [40, 30], format)
      const stripped = rendition(preview, 'stripped').bytes
      assert.equal((await assertClean(stripped)).pages, 5)
      assert.deepEqual(await sharp(stripped, { animated: true }).raw().toBuffer(), await sharp(picture, { animated: true }).raw().toBuffer())
      const grey = thumbHashToAverageRGBA(preview!.placeholder)
      assert.ok(grey.r < 0.15, 'the first frame is nearly black')
    }
  })

  test('take all depths and colours that the formats have', async (t) => {
    const { look } = poolFor(t)
    const deep = await quarters(400, 300).toColourspace('rgb16').png().toBuffer()
    assert.equal((await sharp(deep).metadata()).depth, 'ushort')
    const preview = await look(deep, 'image/png')
    assert.deepEqual(await quartersOf(rendition(preview, 'thumbnail').bytes), ['red', 'green', 'blue', 'white'])
    assert.equal((await sharp(rendition(preview, 'stripped').bytes).metadata()).depth, 'ushort', 'nothing is lost of it')
    const print = await quarters(400, 300).toColourspace('cmyk').jpeg().toBuffer()
    assert.equal((await sharp(print).metadata()).space, 'cmyk')
    const printed = await look(print, 'image/jpeg')
    assert.equal(printed?.renditions.length, 4)
    assert.equal((await sharp(rendition(printed, 'stripped').bytes).metadata()).space, 'srgb')
    const grey = await look(await quarters(400, 300).toColourspace('b-w').jpeg().toBuffer(), 'image/jpeg')
    assert.equal((await sharp(rendition(grey, 'stripped').bytes).metadata()).space, 'b-w')
    const glass = await look(await sharp({ create: { width: 50, height: 50, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0.5 } } }).png().toBuffer(), 'image/png')
    assert.equal((await sharp(rendition(glass, 'thumbnail').bytes).metadata()).hasAlpha, true)
    const greyGlass = await sharp({ create: { width: 50, height: 50, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0.5 } } }).toColourspace('b-w').png().toBuffer()
    assert.equal((await look(greyGlass, 'image/png', ALL))?.renditions.length, 4)
  })

  test('keep the colours of a wide profile when the picture is made anew', async (t) => {
    const { look } = poolFor(t)
    const wide = await quarters(400, 300).withIccProfile('p3').jpeg({ quality: 95 }).toBuffer()
    assert.ok((await sharp(wide).metadata()).icc)
    const preview = await look(wide, 'image/jpeg')
    for (const { bytes } of preview!.renditions) assert.deepEqual(await quartersOf(bytes), ['red', 'green', 'blue', 'white'])
  })

  test('are made of what a picture is, not of what it is called', async (t) => {
    const { look, outcomes } = poolFor(t)
    const picture = await quarters(40, 30).png().toBuffer()
    assert.equal(await look(picture, 'image/jpeg'), null)
    assert.equal(await look(png(), 'image/png'), null)
    assert.deepEqual(outcomes, ['undecodable', 'undecodable'])
  })
})
