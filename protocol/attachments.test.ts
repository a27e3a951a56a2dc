import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Attachment, encodeAttachments, hasAttachments, isFileName, isMediaType, readAttachments } from './attachments.js'
import { EMPTY_BYTES } from './bytes.js'
import { decodeElement, element, type Element, encodeElement } from './element.js'
import { decodeExtensions, encodeExtensions } from './extensions.js'
import { EXTENSION, LIMIT } from './generated/registry.js'
import { encodeReferences, readReferences } from './references.js'

const ID = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
const OTHER_ID = ID.replace('9f', '9e')

const PLAIN: Attachment = {
  id: ID, type: 'image/jpeg', size: 2_481_234, name: '', width: 0, height: 0, durationMs: 0, placeholder: EMPTY_BYTES, thumbnail: false,
  preview: '', key: EMPTY_BYTES,
}

const id = fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 64, maxLength: 64 }).map((digits) => digits.map((digit) => digit.toString(16)).join(''))
const bytes = (max: number) => fc.uint8Array({ minLength: 0, maxLength: max })
const attachment: fc.Arbitrary<Attachment> = fc.record({
  id,
  type: fc.constantFrom('image/jpeg', 'application/octet-stream', 'video/mp4', 'application/vnd.ms-excel'),
  size: fc.integer({ min: 1, max: LIMIT.uintMax }),
  name: fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 60 }).map((name) => isFileName(name) ? name : 'file')),
  width: fc.integer({ min: 0, max: LIMIT.attachmentPixelsMax }),
  height: fc.integer({ min: 0, max: LIMIT.attachmentPixelsMax }),
  durationMs: fc.integer({ min: 0, max: LIMIT.uintMax }),
  placeholder: bytes(60),
  thumbnail: fc.boolean(),
  preview: fc.constant(''),
  key: bytes(LIMIT.attachmentKeyBytesMax),
}, { noNullPrototype: true })
const attachments = fc.uniqueArray(attachment, { selector: (each) => each.id, minLength: 1, maxLength: LIMIT.attachmentsMax })
  // The first one of several stands for all others.
  .map((all) => all.map((each, index) => index === 0 ? each : { ...each, preview: all[0]?.id ?? '' }))

/** An extension with this element in it. */
function raw(root: Element): Uint8Array {
  return encodeExtensions([{ key: EXTENSION.attachment, value: encodeElement(root) }])
}

function one(attributes: Record<string, string | number | undefined>): readonly Attachment[] | null {
  return readAttachments(raw(element('attachments', {}, element('attachment', { id: ID, type: 'image/jpeg', size: 5, ...attributes }))))
}

test('[BLB-11] attachments come back as they were, and other extensions with them', () => {
  fc.assert(fc.property(attachments, (list) => {
    const extensions = encodeAttachments(list, encodeReferences({ replyTo: 7 }))
    assert.ok(hasAttachments(extensions))
    assert.deepEqual(readAttachments(extensions), list)
    assert.equal(readReferences(extensions)?.replyTo, 7)
  }), { numRuns: 100 })
  assert.deepEqual(readAttachments(EMPTY_BYTES), [])
  assert.deepEqual(readAttachments(encodeReferences({ replyTo: 7 })), [])
  assert.equal(hasAttachments(encodeReferences({ replyTo: 7 })), false)
})

test('[BLB-11] no damage makes reading throw', () => {
  const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), kind: fc.constantFrom('set', 'insert', 'remove', 'cut') })
  fc.assert(fc.property(attachments, fc.array(change, { minLength: 1, maxLength: 4 }), fc.boolean(), (list, changes, isInside) => {
    const whole = encodeAttachments(list)
    const damaged = [...isInside ? decodeExtensions(whole)?.[0]?.value ?? EMPTY_BYTES : whole]
    for (const { at, byte, kind } of changes) {
      const place = at % (damaged.length + 1)
      if (kind === 'set') damaged[Math.min(place, damaged.length - 1)] = byte
      else if (kind === 'cut') damaged.splice(place)
      else damaged.splice(place, kind === 'remove' ? 1 : 0, ...kind === 'insert' ? [byte] : [])
    }
    const read = readAttachments(isInside ? encodeExtensions([{ key: EXTENSION.attachment, value: Uint8Array.from(damaged) }]) : Uint8Array.from(damaged))
    // What passes has its form.
    if (read !== null && read.length > 0) assert.deepEqual(readAttachments(encodeAttachments(read)), read)
  }), { numRuns: 500 })
})

test('[BLB-11] an attachment whose attributes lack their form is none', () => {
  assert.deepEqual(one({}), [{ ...PLAIN, size: 5 }])
  assert.deepEqual(one({ thumbnail: 'false' }), [{ ...PLAIN, size: 5 }])
  const bad: Record<string, string | number | undefined>[] = [
    { id: undefined }, { id: ID.toUpperCase() }, { id: ID.slice(1) }, { type: undefined }, { type: 'Image/jpeg' }, { type: 'image' },
    { type: 'text/plain; charset=utf-8' }, { type: `image/${'x'.repeat(LIMIT.mediaTypeBytesMax)}` }, { size: undefined }, { size: 0 }, { size: '05' },
    { name: '' }, { name: 'a/b' }, { name: '..' }, { name: 'a\\b' }, { name: 'a\u0007' }, { name: 'photo\u202egpj.exe' },
    { name: 'ä'.repeat(LIMIT.attachmentNameBytesMax / 2 + 1) }, { width: 0 }, { width: LIMIT.attachmentPixelsMax + 1 }, { height: '-1' }, { duration: '1.5' },
    { placeholder: '' }, { placeholder: 'A' }, { placeholder: Buffer.alloc(LIMIT.placeholderBytesMax + 1).toString('base64') }, { thumbnail: 'yes' },
    { preview: '' }, { preview: ID }, { preview: OTHER_ID }, { key: '?' }, { key: Buffer.alloc(LIMIT.attachmentKeyBytesMax + 1).toString('base64') },
  ]
  for (const attributes of bad) assert.equal(one(attributes), null, JSON.stringify(attributes))
  assert.throws(() => encodeAttachments([{ ...PLAIN, name: 'a/b' }]), RangeError)
})

test('[BLB-11] attachments are one to attachmentsMax, each id once, in an element of that name', () => {
  const node = (index: number) => element('attachment', { id: ID.slice(2) + String(10 + index), type: 'image/png', size: 1 })
  const some = (count: number) => Array.from({ length: count }, (_, index) => node(index))
  assert.equal(readAttachments(raw(element('attachments', {}, ...some(LIMIT.attachmentsMax))))?.length, LIMIT.attachmentsMax)
  assert.equal(readAttachments(raw(element('attachments', {}, ...some(LIMIT.attachmentsMax + 1)))), null)
  assert.equal(readAttachments(raw(element('attachments', {}, node(0), node(0)))), null)
  assert.equal(readAttachments(raw(element('attachments'))), null)
  assert.equal(readAttachments(raw(element('attachment', {}, node(0)))), null)
  assert.equal(readAttachments(encodeExtensions([{ key: EXTENSION.attachment, value: EMPTY_BYTES }])), null)
})

test('[BLB-11] what the page does not name is passed over', () => {
  const unknown = element('attachments', { album: 'summer' }, 'text', element('location', { at: 'here' }),
    element('attachment', { id: ID, type: 'image/jpeg', size: 5, exposure: '1/60' }, element('alt', {}, 'a beach')))
  assert.deepEqual(readAttachments(raw(unknown)), [{ ...PLAIN, size: 5 }])
  assert.ok(decodeElement(decodeExtensions(raw(unknown))?.[0]?.value ?? EMPTY_BYTES) !== null)
})

test('media types are lower case and have no parameters', () => {
  for (const type of ['image/svg+xml', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'x/y']) assert.ok(isMediaType(type), type)
  for (const type of ['', '/', 'a/', '/b', 'a/b/c', 'a b/c', 'a/b;q=1', 'text/HTML', 'a/b\n']) assert.ok(!isMediaType(type), type)
})
