/** Why a command ends: the first reason wins. */
export type EndReason =
  | 'complete'
  /** A signal asked for it. */
  | 'stopped'
  | 'timeout'
  /** Nobody reads stdout any more. */
  | 'output-closed'
  | Error

/** Where everything that can end a command reports, and where the command waits. */
export class Ending {
  /** Never rejects. */
  readonly reason: Promise<EndReason>
  #resolve: (reason: EndReason) => void = () => {}
  #timer: NodeJS.Timeout | null = null
  #hasEnded = false

  constructor(stop: AbortSignal) {
    this.reason = new Promise((resolve) => { this.#resolve = resolve })
    if (stop.aborted) this.end('stopped')
    else stop.addEventListener('abort', () => this.end('stopped'), { once: true })
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  end(reason: EndReason): void {
    this.cancelTimeout()
    this.#hasEnded = true
    this.#resolve(reason)
  }

  /** Ends with `timeout` unless called again, cancelled or ended first; null: no limit. */
  startTimeout(timeoutMs: number | null): void {
    this.cancelTimeout()
    if (timeoutMs !== null && !this.#hasEnded) this.#timer = setTimeout(() => this.end('timeout'), timeoutMs)
  }

  cancelTimeout(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
