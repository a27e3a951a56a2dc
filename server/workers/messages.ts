/** What the supervisor and its workers say to each other, over the channel that Node gives them; secrets go this way alone. */
import type { ChannelState } from '../channels/channels.js'
import type { Config } from '../config/settings.js'
import type { ShardGauges } from '../metrics/metrics.js'
import type { WorkerFailure } from './failure.js'
import type { CounterValues } from './counter-sum.js'

export type ToWorker =
  /** Once, as the answer to `hello`. */
  | { readonly kind: 'start', readonly order: WorkerOrder }
  | { readonly kind: 'renew-tls' }
  /** It sees its clients off, and says that it has. */
  | { readonly kind: 'stop' }
  /** All of them have: it closes the rest, and ends. */
  | { readonly kind: 'close' }

export interface WorkerOrder {
  /** With this worker's share of the limits. */
  readonly config: Config
  /** Of this worker, for links. */
  readonly node: string
  /** What proves to the others that it is who it says. */
  readonly linkSecret: Uint8Array
  readonly shards: OneShard | ShardOfSeveral
  /** See ServerSecret. */
  readonly secretKey: Uint8Array
  readonly secretIterations: number
  /** Socket of the supervisor's HTTP side; '': no blobs are kept. */
  readonly blobSocket: string
}

/** There is one, and the supervisor has it. */
export interface OneShard {
  readonly kind: 'one'
  /** Where it is reached. */
  readonly linkAddress: string
}

/** Each worker has one. */
export interface ShardOfSeveral {
  readonly kind: 'several'
  /** Of this worker. */
  readonly shard: number
  /** Higher than that of any worker before it: sessions that began in it are later than those of lives before. */
  readonly life: number
  /** Where each of them is reached, by number. */
  readonly linkAddresses: readonly string[]
  /** Where the supervisor, which has the files, is asked about them; of no use where no blobs are kept. */
  readonly filesAddress: string
}

/** What a worker says of its shard now and then. */
export interface ShardReport {
  readonly gauges: ShardGauges
  readonly channels: readonly ChannelState[]
}

export type FromWorker =
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready', readonly listeners: readonly string[] }
  /** It could not start; it ends. */
  | { readonly kind: 'failed', readonly failure: WorkerFailure }
  | { readonly kind: 'drained' }
  | { readonly kind: 'counters', readonly values: CounterValues }
  | { readonly kind: 'shard', readonly report: ShardReport }
