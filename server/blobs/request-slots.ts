/** How many bodies of uploads are read, and downloads are sent, at once: in all, and for one network address. */
import { isLoopback } from '../config/listen-url.js'
import type { Config } from '../config/settings.js'
import { networkOf } from '../connection/admission.js'
import type { Counters } from '../metrics/metrics.js'

export class RequestSlots {
  readonly #config: Config['blobs']
  readonly #exemptLoopback: boolean
  readonly #counters: Counters
  readonly #byNetwork = new Map<string, { upload: number, download: number }>()

  constructor(config: Config, counters: Counters) {
    this.#config = config.blobs
    this.#exemptLoopback = config.limits.exemptLoopback
    this.#counters = counters
  }

  /** A place until the function that is returned is called; null: there is none now. */
  take(kind: 'upload' | 'download', address: string): (() => void) | null {
    const counters = this.#counters
    const network = networkOf(address)
    const own = this.#byNetwork.get(network) ?? { upload: 0, download: 0 }
    if (this.#hasAll(kind, own) && !(this.#exemptLoopback && isLoopback(network))) return null
    if (kind === 'upload' ? counters.uploadsReading >= this.#config.uploadsAtOnceMax : counters.downloadsSending >= this.#config.downloadsAtOnceMax) return null
    own[kind]++
    this.#byNetwork.set(network, own)
    if (kind === 'upload') counters.uploadsReading++
    else counters.downloadsSending++
    return () => {
      if (kind === 'upload') counters.uploadsReading--
      else counters.downloadsSending--
      own[kind]--
      if (own.upload + own.download === 0) this.#byNetwork.delete(network)
    }
  }

  #hasAll(kind: 'upload' | 'download', { upload, download }: { readonly upload: number, readonly download: number }): boolean {
    return upload + download >= this.#config.byAddressMax || (kind === 'upload' && upload >= this.#config.uploadsByAddressMax)
  }
}
