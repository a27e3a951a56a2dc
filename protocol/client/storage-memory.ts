/** A storage that forgets with the process: for trying, for tests, and for programs that keep nothing. */
import { applyChanges, copyState, emptyState } from './state.js'
import type { ClientState, ClientStorage } from './state.js'

/** Goes on from `state`, which is not changed; a device that knows nothing otherwise. */
export function memoryStorage(state: ClientState = emptyState()): ClientStorage & { readonly state: ClientState } {
  const kept = copyState(state)
  return {
    state: kept,
    load: () => Promise.resolve(copyState(kept)),
    apply: (changes) => {
      applyChanges(kept, changes)
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
  }
}
