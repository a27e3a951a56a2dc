/** What all shards have of a blob, of which the ones before may each have put their own bytes into the store. Pure. */
import type { Blob } from '../blobs/blob-router.js'
import { mergedBlob, objectsOf } from '../holdings/merge.js'
import type { SharedContent } from '../holdings/rows.js'

export interface KeptBlob {
  /** One content, and one rendition of each kind; null: nobody holds it. */
  readonly blob: Blob | null
  /** Objects that nobody names then. */
  readonly rest: readonly string[]
}

/** `contents`: as the blob's home knows them. What was only lent, nobody has come to take. */
export function keptBlob(contents: readonly SharedContent[]): KeptBlob {
  const [first, ...others] = contents.filter(({ holders }) => holders.length > 0).map(({ blob }) => blob)
  const blob = first === undefined ? null : oneOfEachKind([first, ...others].reduce(mergedBlob))
  const kept = new Set(blob === null ? [] : objectsOf(blob))
  return { blob, rest: [...new Set(contents.flatMap((content) => objectsOf(content.blob)))].filter((object) => !kept.has(object)) }
}

/** Two shards may have stored a smaller version each. */
function oneOfEachKind(blob: Blob): Blob {
  const renditions = blob.renditions.filter(({ kind }, at) => blob.renditions.findIndex((each) => each.kind === kind) === at)
  return { ...blob, renditions }
}
