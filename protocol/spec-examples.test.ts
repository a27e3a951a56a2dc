/**
 * The worked examples of `spec/*.md` against the codec: every block's bytes decode to the frame of its XML form, and that form encodes to
 * these bytes. The examples are made by an encoder that shares nothing with this one.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Element } from './element.js'
import { FrameDecoder } from './frame-decoder.js'
import { encodeFrame } from './generated/frames.js'
import type { Frame } from './generated/frames.js'
import { FRAMES, LIMIT, TOKENS } from './generated/registry.js'
import { elementToXml, frameToXml, xmlToElement, xmlToFrame } from './xml.js'

const specFolder = new URL('../../spec/', import.meta.url)

interface ExampleBlock {
  readonly page: string
  readonly xml: string
  readonly bytes: Uint8Array
}

/** The bodies of a page's fenced blocks of one language. */
function fences(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((match) => match[1] ?? '')
}

/** XML form, empty line, lines of bytes with a comment behind `;`. */
function readBlock(page: string, block: string): ExampleBlock {
  const [xml, bytes] = block.split('\n\n')
  const hex = (bytes ?? '').split('\n').map((line) => line.split(';')[0] ?? '').join('').replaceAll(/\s/g, '')
  assert.match(hex, /^(?:[0-9a-f]{2})+$/, `${page}: an example without bytes`)
  return { page, xml: xml ?? '', bytes: Uint8Array.from(Buffer.from(hex, 'hex')) }
}

const pages = readdirSync(specFolder).filter((name) => name.endsWith('.md'))
  .map((name) => ({ name, text: readFileSync(new URL(name, specFolder), 'utf8') }))
const blocks = pages.flatMap(({ name, text }) => fences(text, 'frame').map((block) => readBlock(name, block)))

function decodeOne(decoder: FrameDecoder): Frame {
  const frame = decoder.next()
  assert.ok(frame !== null && typeof frame !== 'number', `the decoder answers ${typeof frame === 'number' ? frame : 'nothing'}`)
  return frame
}

test('the bytes of every example decode to the frame of its XML form', () => {
  assert.ok(blocks.length > 20, 'the examples were found')
  for (const { page, xml, bytes } of blocks) {
    const decoder = new FrameDecoder(LIMIT.frameBytesMax)
    decoder.push(bytes)
    assert.equal(frameToXml(decodeOne(decoder)), xml, page)
    assert.equal(decoder.next(), null, `${page}: one frame, and nothing behind it`)
  }
})

test('the XML form of every example encodes to its bytes', () => {
  for (const { page, xml, bytes } of blocks) {
    const frame = xmlToFrame(xml)
    assert.ok(frame !== null, `${page}: ${xml}`)
    assert.deepEqual(Buffer.from(encodeFrame(frame)).toString('hex'), Buffer.from(bytes).toString('hex'), page)
  }
})

test('[FRM-5] every example decodes alike when it comes one byte at a time', () => {
  for (const { xml, bytes } of blocks) {
    const decoder = new FrameDecoder(LIMIT.frameBytesMax)
    for (let index = 0; index < bytes.length - 1; index++) {
      decoder.push(bytes.subarray(index, index + 1))
      assert.equal(decoder.next(), null)
    }
    decoder.push(bytes.subarray(bytes.length - 1))
    assert.equal(frameToXml(decodeOne(decoder)), xml)
  }
})

test('every frame but challenge and response has an example', () => {
  const shown = new Set<number | undefined>(blocks.map(({ xml }) => xmlToFrame(xml)?.type))
  const missing = [...FRAMES.values()].filter(({ type }) => !shown.has(type)).map(({ name }) => name)
  // Their data are the texts of RFC 7677, which opening.md shows as such.
  assert.deepEqual(missing, ['challenge', 'response'])
})

function namesOf(tree: Element): string[] {
  return [tree.name, ...tree.attributes.keys(), ...tree.children.flatMap((child) => typeof child === 'string' ? [] : namesOf(child))]
}

test('the queries of the prose encode, decode and use words of the dictionary', () => {
  const queries = pages.find(({ name }) => name === 'queries.md')?.text ?? ''
  const lines = fences(queries, 'xml').map((block) => block.replaceAll(/>\s+</g, '><').trim())
  // Two alternatives in one block stand side by side.
  const trees = lines.flatMap((line) => line.startsWith('<settings/><') ? ['<settings/>', line.slice('<settings/>'.length)] : [line])
  assert.ok(trees.length >= 10, 'the queries were found')
  // Younger than the dictionary, so they travel as literals.
  const words = new Set<string>([
    ...TOKENS, 'online', 'profile', 'pinned', 'limits', 'blockedMax', 'contactsMax', 'deleteAgeMs', 'devicesMax', 'editAgeMs', 'groupMembersMax', 'groupsMax',
  ])
  for (const xml of trees) {
    const tree = xmlToElement(xml)
    assert.ok(tree !== null, xml)
    assert.deepEqual(namesOf(tree).filter((name) => !words.has(name)), [], xml)
    assert.equal(elementToXml(tree).length, xml.length, 'the same but for the order of attributes')
  }
})
