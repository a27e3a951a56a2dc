/** What the supervisor and its workers say to each other, over the channel that Node gives them; secrets go this way alone. */
import type { Config } from '../config/settings.js'
import type { CounterValues } from './counter-sum.js'

export type ToWorker =
  /** Once, as the answer to `hello`. */
  | { readonly kind: 'start', readonly order: WorkerOrder }
  | { readonly kind: 'renew-tls' }
  | { readonly kind: 'stop' }

export interface WorkerOrder {
  /** With this worker's share of the limits. */
  readonly config: Config
  /** Of this worker, for links. */
  readonly node: string
  /** Where the shard is reached, and what proves that one may. */
  readonly linkAddress: string
  readonly linkSecret: Uint8Array
  /** See ServerSecret. */
  readonly secretKey: Uint8Array
  readonly secretIterations: number
  /** Socket of the supervisor's HTTP side; '': no blobs are kept. */
  readonly blobSocket: string
}

export type FromWorker =
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready', readonly listeners: readonly string[] }
  /** It could not start; it ends. `isOperators`: by something that the operator can change. */
  | { readonly kind: 'failed', readonly message: string, readonly isOperators: boolean }
  | { readonly kind: 'counters', readonly values: CounterValues }
