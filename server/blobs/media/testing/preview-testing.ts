/** Ways of tests to ask a pool. */
import type { TestContext } from 'node:test'
import { PreviewPool, type PreviewOutcome, type PreviewPoolOptions } from '../preview-pool.js'
import type { Preview, PreviewRequest, PreviewWants, Rendition, RenditionKind } from '../previews.js'

export const ALL: PreviewWants = { thumbnail: true, squares: true, stripped: true }
export const THUMBNAIL: PreviewWants = { thumbnail: true, squares: false, stripped: false }

export interface TestPool {
  readonly pool: PreviewPool
  /** In the order in which they were known. */
  readonly outcomes: PreviewOutcome[]
  look(picture: Uint8Array, type: string, wants?: PreviewWants): Promise<Preview | null>
}

/** A pool that ends with the test; with the time that a busy machine may need, unless told. */
export function poolFor(t: Pick<TestContext, 'after'>, options: PreviewPoolOptions = {}): TestPool {
  const outcomes: PreviewOutcome[] = []
  const pool = new PreviewPool({ processesMax: 1, timeoutMs: 60_000, ...options, onOutcome: (outcome) => outcomes.push(outcome) })
  t.after(async () => pool.close())
  return { pool, outcomes, look: async (picture, type, wants = ALL) => pool.make(requestOf(picture, type, wants)) }
}

export function requestOf(picture: Uint8Array, type: string, wants: PreviewWants = ALL): PreviewRequest {
  return { type, size: picture.length, wants, source: inChunks(picture) }
}

/** As a store would hand it out: 64 KiB at a time. */
export async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

export function rendition(preview: Preview | null, kind: RenditionKind): Rendition {
  const found = preview?.renditions.find((entry) => entry.kind === kind)
  if (found === undefined) throw new Error(`there is no ${kind}`)
  return found
}
