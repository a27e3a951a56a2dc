import assert from 'node:assert/strict'
import { test } from 'node:test'
import { childOf, element, elementSize, isElementName, textOf, uintAttribute, writeElement } from './element.js'
import type { Element } from './element.js'
import { decodeFrame } from './generated/frames.js'
import { ERROR, TOKENS } from './generated/registry.js'
import { largeInvalidElements, largeValidElements } from './testing/element-cases.js'
import { elementFromJson } from './testing/json-frames.js'
import { elementBytes, hexBytes, lengthFirst, toHex } from './testing/reference-encoder.js'
import { elementVectors } from './testing/vectors.js'
import { elementToXml, xmlToElement } from './xml.js'

/** The element of a query whose field holds these bytes, or the error code. */
function decodeElement(bytes: readonly number[]): Element | number | null {
  const body = new Uint8Array([38, 1, ...lengthFirst(bytes)])
  const frame = decodeFrame(body, 0, body.length)
  return frame !== null && typeof frame === 'object' && 'element' in frame ? frame.element : frame as number | null
}

function encodeElement(tree: Element): string {
  const bytes = new Uint8Array(elementSize(tree))
  assert.equal(writeElement(bytes, 0, tree), bytes.length)
  return toHex(bytes)
}

const large = largeValidElements.map((vector) => ({ ...vector, hex: toHex(elementBytes(vector.tree)) }))

for (const vector of [...elementVectors.valid, ...large]) {
  test(`[ELM-1] decodes and encodes ${vector.name}, and knows its XML`, () => {
    const tree = elementFromJson(vector.tree)
    assert.deepEqual(decodeElement(hexBytes(vector.hex)), tree)
    assert.equal(encodeElement(tree), vector.hex)
    assert.equal(elementToXml(tree), vector.xml)
    assert.deepEqual(xmlToElement(vector.xml), tree)
  })
}

for (const vector of [...elementVectors.invalid, ...largeInvalidElements]) {
  test(`[${vector.requirement}] refuses an element: ${vector.name}`, () => {
    assert.equal(decodeElement(hexBytes(vector.hex)), ERROR.malformedFrame)
  })
}

test('[ELM-7] every token can be a name', () => {
  assert.deepEqual(TOKENS.filter((token) => !isElementName(token)), [])
})

test('[ELM-4] the encoder puts attributes in order, whatever order they were set in', () => {
  assert.equal(encodeElement(element('x', { b: 1, a: 2 })), encodeElement(element('x', { a: 2, b: 1 })))
})

test('[ELM-5] the builder joins texts, drops empty ones and attributes that are undefined', () => {
  const built = element('x', { a: 1, b: undefined, c: '' }, 'a', '', 'b', element('x'), '', element('x'), 'c')
  assert.deepEqual([...built.attributes], [['a', '1'], ['c', '']])
  assert.deepEqual(built.children, ['ab', element('x'), element('x'), 'c'])
})

test('[ELM-3] refuses to encode a tree that no peer would take', () => {
  const attributes = new Map<string, string>()
  let deep = element('x')
  for (let level = 1; level < 9; level++) deep = element('x', {}, deep)
  const many = new Map(Array.from({ length: 33 }, (_, index) => [`a${index}`, '']))
  const bad: Element[] = [
    deep,
    element('a b'),
    element('x', { 'a b': 1 }),
    element('x', {}, ...Array.from({ length: 4096 }, () => element('x'))),
    { name: 'x', attributes: many, children: [] },
    { name: 'x', attributes, children: [''] },
    { name: 'x', attributes, children: ['a', 'b'] },
    { name: 'x', attributes, children: ['a\u0000'] },
    { name: 'x', attributes, children: [...Array.from({ length: 4095 }, () => element('x')), 'a'] },
  ]
  for (const tree of bad) assert.throws(() => elementSize(tree), RangeError)
})

test('[ELM-6] reads what it looks for and passes over the rest', () => {
  const tree = element('history', { limit: 20, with: 'bob', odd: '020' }, 'a', element('more'), 'b', element('last', { seq: 1 }))
  assert.equal(textOf(tree), 'ab')
  assert.equal(childOf(tree, 'last')?.attributes.get('seq'), '1')
  assert.equal(childOf(tree, 'nothing'), null)
  assert.equal(uintAttribute(tree, 'limit'), 20)
  assert.equal(uintAttribute(tree, 'with'), null)
  assert.equal(uintAttribute(tree, 'odd'), null)
  assert.equal(uintAttribute(tree, 'nothing'), null)
})
