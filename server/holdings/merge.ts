/** What a blob consists of in the store, and one blob of two that have the same content. */
import type { Blob } from '../blobs/blob-router.js'

/** Names of all that the store has of a blob. */
export function objectsOf({ content, renditions }: Blob): string[] {
  return [content.object, ...renditions.map(({ object }) => object)]
}

export function storedBytesOf({ content, renditions }: Blob): number {
  return renditions.reduce((sum, { size }) => sum + size, content.size)
}

/** The same content, as it is in the store already, with what only the other one has. */
export function mergedBlob(known: Blob, other: Blob): Blob {
  const missing = other.renditions.filter(({ kind }) => !known.renditions.some((rendition) => rendition.kind === kind))
  const { width, height, placeholder } = known.width > 0 ? known : other
  return { content: known.content, width, height, placeholder, renditions: [...known.renditions, ...missing] }
}
