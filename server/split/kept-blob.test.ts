/** What is kept of a blob that several shards have stored. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Blob, RenditionKind, StoredObject } from '../blobs/blob-router.js'
import { objectsOf } from '../holdings/merge.js'
import type { SharedContent } from '../holdings/rows.js'
import { keptBlob } from './kept-blob.js'

const KINDS: readonly RenditionKind[] = ['thumbnail', 'square-640', 'square-96']

/** Every object has a name of its own. */
function contentsOf(shapes: readonly { kinds: readonly RenditionKind[], holders: readonly number[] }[]): SharedContent[] {
  let names = 0
  const object = (): StoredObject => ({ object: `object-${String(++names)}`, key: new Uint8Array(0), hash: 'h', size: 1, type: 'image/png' })
  return shapes.map(({ kinds, holders }) => {
    const blob: Blob = { content: object(), width: 1, height: 1, placeholder: new Uint8Array(0), renditions: kinds.map((kind) => ({ kind, ...object(), width: 1, height: 1 })) }
    return { blob, holders, loans: [] }
  })
}

test('[BLB-16] of what several have stored the first content is kept with one version of each size, and every other object is named once to go', () => {
  fc.assert(fc.property(fc.array(fc.record({ kinds: fc.array(fc.constantFrom(...KINDS), { maxLength: 4 }), holders: fc.subarray([0, 1, 2]) }), { maxLength: 4 }), (shapes) => {
    const contents = contentsOf(shapes)
    const { blob, rest } = keptBlob(contents)
    const held = contents.filter(({ holders }) => holders.length > 0)
    assert.equal(blob?.content.object, held[0]?.blob.content.object)
    const kinds = blob?.renditions.map(({ kind }) => kind) ?? []
    assert.deepEqual([...new Set(kinds)].sort(), [...new Set(held.flatMap((content) => content.blob.renditions.map(({ kind }) => kind)))].sort())
    assert.equal(new Set(kinds).size, kinds.length)
    assert.deepEqual([...blob === null ? [] : objectsOf(blob), ...rest].sort(), contents.flatMap((content) => objectsOf(content.blob)).sort())
  }))
})
