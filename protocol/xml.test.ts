import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeFrame } from './generated/frames.js'
import { frameFromJson } from './testing/json-frames.js'
import { frameSpec, toHex } from './testing/reference-encoder.js'
import { codecVectors } from './testing/vectors.js'
import { XML_LENGTH_MAX, frameToXml, xmlToElement, xmlToFrame } from './xml.js'

for (const vector of codecVectors.valid) {
  if (vector.xml === undefined) continue
  const { xml } = vector
  test(`[FRM-1] the XML form of ${vector.name}`, () => {
    const frame = frameFromJson(frameSpec(vector.frame), vector.fields, vector.extensions)
    assert.equal(frameToXml(frame), xml)
    const read = xmlToFrame(xml)
    assert.ok(read !== null)
    assert.equal(toHex(encodeFrame(read)), vector.hex)
  })
}

test('[FRM-1] every valid vector comes back from its XML form', () => {
  for (const vector of codecVectors.valid) {
    const xml = frameToXml(frameFromJson(frameSpec(vector.frame), vector.fields, vector.extensions))
    const read = xmlToFrame(xml)
    assert.ok(read !== null, xml)
    assert.equal(toHex(encodeFrame(read)), vector.hex, xml)
  }
})

test('[FRM-4] XML that is no frame is refused without a throw', () => {
  const bad = [
    '', 'x', '<', '<ping', '<ping/>', '<ping nonce=""/>', '<ping nonce="-1"/>', '<ping nonce="01"/>', '<ping nonce="1.5"/>',
    '<ping nonce="9007199254740992"/>', '<ping nonce="1" more="2"/>', '<ping nonce="1"><y/></ping>', '<ping nonce="1">text</ping>',
    '<pong nonce="&unknown;"/>', '<pong nonce="&#0;"/>', '<unknown/>', '<iq id="1"><devices/></iq>', '<iq type="get" id="1"/>',
    '<iq type="get" id="1">text</iq>', '<iq type="get" id="1"><a:b/></iq>', '<iq type="get" id="1"><devices a:b="1"/></iq>',
    '<iq type="other" id="1"><devices/></iq>', `<iq type="get" id="1">${'<x>'.repeat(9)}${'</x>'.repeat(9)}</iq>`,
    '<challenge data="*"/>', '<challenge data="AAAA="/>', '<challenge data="AB=="/>', '<message id="1" to="bob"><body>a\\b</body></message>',
    '<message id="1" to="a\\"/>', '<message id="1" to="b"><body encoding="base64">*</body></message>',
    '<message id="1" to="bob"><x key="3">*</x></message>', '<message id="1" to="bob"><x key="a"/></message>',
    '<message id="1" to="bob"><x key="3"/><x key="1"/></message>', '<message id="1" to="bob"><x key="-1"/></message>',
    `<message id="1" to="bob">${Array.from({ length: 17 }, (_, index) => `<x key="${2 * index + 1}"/>`).join('')}</message>`,
    `<hello agent="x">${'<version>1</version>'.repeat(17)}</hello>`, '<hello agent="x"><version>a</version></hello>',
    '<hello agent="x"><version>\\</version></hello>', '<message index="1" from="bob" seq="1" time="yesterday"/>',
    '<message index="1" from="bob" seq="1" time="2026-01-01"/>', '<iq type="get" id="1"><x a="\\"/></iq>', '<iq type="get" id="1"><x>\\</x></iq>',
    '<ack id="1" seq="1" timeOffset="4503599627370496"/>', '<refuse id="1" error="no-such-error" retryAfterMs="0" reason=""/>',
  ]
  for (const text of bad) assert.equal(xmlToFrame(text), null, text)
})

test('[FRM-4] the order of attributes and white space in tags mean nothing', () => {
  assert.deepEqual(xmlToFrame('<message\n to=\'bob\' id=\'7\' ><body>hi</body></message>'), xmlToFrame('<message id="7" to="bob"><body>hi</body></message>'))
})

test('[FRM-4] an error or value that has no name is its number', () => {
  const refuse = frameFromJson(frameSpec('refuse'), { clientId: 1, error: 499, retryAfterMs: 0, reason: '' })
  assert.equal(frameToXml(refuse), '<refuse id="1" error="499" retryAfterMs="0" reason=""/>')
  assert.deepEqual(xmlToFrame(frameToXml(refuse)), refuse)
  const mark = frameFromJson(frameSpec('mark'), { clientId: 1, conversation: 'bob', mark: 77, seq: 1 })
  assert.equal(frameToXml(mark), '<mark id="1" conversation="bob" mark="77" seq="1"/>')
})

test('[FRM-4] text too long for the parser is refused before it is parsed', () => {
  const filler = ' '.repeat(XML_LENGTH_MAX)
  assert.equal(xmlToFrame(`<ping ${filler}nonce="1"/>`), null)
  assert.equal(xmlToElement(`<x${filler}/>`), null)
  assert.equal(xmlToElement('<x'), null)
})

test('[FRM-8] a frame with malformed extensions has no XML form', () => {
  const ping = frameFromJson(frameSpec('ping'), { nonce: 1 })
  assert.throws(() => frameToXml({ ...ping, extensions: new Uint8Array([5]) }), RangeError)
})

test('[FRM-4] no damaged XML makes the reader throw, and what it accepts is a frame', () => {
  const forms = codecVectors.valid.flatMap((vector) => vector.xml ?? [])
  const scrap = fc.constantFrom('<', '>', '/', '"', '=', '&', ';', '\\', '\\u{0}', '&#0;', '<![CDATA[', ']]>', '<!--', '-->', '<?', ' ', 'x', '9', '__proto__="1"')
  const change = fc.record({ place: fc.nat(300), removed: fc.nat(5), scrap })
  let accepted = 0
  fc.assert(fc.property(fc.constantFrom(...forms), fc.array(change, { minLength: 1, maxLength: 3 }), (form, changes) => {
    const text = changes.reduce((xml, { place, removed, scrap: added }) => xml.slice(0, place) + added + xml.slice(place + removed), form)
    const frame = xmlToFrame(text)
    if (frame === null) return
    accepted++
    assert.deepEqual(xmlToFrame(frameToXml(frame)), frame)
  }), { numRuns: 5000 })
  assert.ok(accepted > 0)
})
