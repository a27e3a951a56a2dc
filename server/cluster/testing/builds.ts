/** Nodes of other builds, as far as others can tell: by the format of rows that they say with whatever they write, and up to which they read. */
import { STORE_FORMAT } from '../../../storage/metadata.js'
import type { ClusterStore, LogEntry } from '../cluster-store.js'

/** The store as a node has it whose program writes rows of this format. */
export function storeOfBuild(store: ClusterStore, format: number): ClusterStore {
  const written = <T extends { readonly entry: LogEntry }>(request: T): T => ({ ...request, entry: { ...request.entry, bytes: saidBy(format, request.entry.bytes) } })
  return new Proxy(store, {
    get: (inner, name: keyof ClusterStore) => {
      switch (name) {
        case 'append': return (request: Parameters<ClusterStore['append']>[0]) => inner.append(written(request))
        case 'rebase': return (request: Parameters<ClusterStore['rebase']>[0]) => inner.rebase(written(request))
        case 'read': return async (...values: Parameters<ClusterStore['read']>) =>
          (await inner.read(...values)).map((entry) => ({ ...entry, bytes: heardBy(format, entry.bytes) }))
        default: return inner[name].bind(inner)
      }
    },
  })
}

/** What this program has written, as one of that format would have. Entries and pages begin with it. */
export function saidBy(format: number, bytes: Uint8Array): Uint8Array {
  return beginningWith(format, bytes)
}

/** What a program of that format reads, as it is to this one: of a format that it knows, or of a later one. */
export function heardBy(format: number, bytes: Uint8Array): Uint8Array {
  return beginningWith(bytes[0]! <= format ? STORE_FORMAT : STORE_FORMAT + 1, bytes)
}

function beginningWith(first: number, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[0] = first
  return copy
}
