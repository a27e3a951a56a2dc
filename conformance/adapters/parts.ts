/** What the adapter of the reference client is put together from, so that a client with a planted bug differs in one part alone. */
import type { Platform } from '../../protocol/client/driver.js'
import type { ClientStorage } from '../../protocol/client/state.js'
import type { Shown } from './screen.js'

/** What a client with a planted bug has in the place of the right parts. */
export interface Parts {
  readonly platform: (platform: Platform) => Platform
  readonly storage: (storage: ClientStorage) => ClientStorage
  /** What is shown in the place of what came. */
  readonly shown: (shown: Shown) => readonly Shown[]
  /** Under what a message is kept, see Screen. */
  readonly key: (seq: number, count: number) => number
  /** What is told of what the person sees. */
  readonly dump: (dump: Readonly<Record<string, unknown>>) => object
}

export const rightParts: Parts = { platform: (platform) => platform, storage: (storage) => storage, shown: (shown) => [shown], key: (seq) => seq, dump: (dump) => dump }
