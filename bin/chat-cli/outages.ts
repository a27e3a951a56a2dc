/** What a person is told while no server is reached, and when waiting helps no more. */
import type { ClientError } from '../../protocol/client/node.js'
import { formatServer, parseServerUrl } from '../../protocol/client/server-url.js'
import { type AccountOptions, serversOf } from './argument-values.js'
import { ChatFailure, EXIT } from './failure.js'
import { safeText } from './safe-text.js'

/** Whether a token that was saved is good for nothing any more, as after a new password. */
export function isTokenSpent(error: ClientError): boolean {
  return error.symbol === 'token-invalid'
}

export class Outages {
  readonly #account: AccountOptions
  /** Those that the user named. A server may send the client on to others, and is gone back to from there. [CLS-7] */
  readonly #servers: ReadonlySet<string>
  #isTold = false
  /** Those of them whose certificate was not trusted when they were tried last, and why. */
  readonly #distrusted = new Map<string, string>()
  /** Of which hosts the user has heard that they are not trusted. */
  readonly #toldOf = new Set<string>()

  constructor(account: AccountOptions) {
    this.#account = account
    this.#servers = new Set(serversOf(account.server).map((url) => formatServer(parseServerUrl(url))))
  }

  welcome(): void {
    this.#isTold = false
    this.#distrusted.clear()
  }

  /**
   * The connection to `server` could not be had, or has ended. Returns what to say, once for each outage, and once for each host that is not
   * trusted; null: nothing new; a ChatFailure: no server is trusted, which does not change by itself.
   */
  lost(server: string, error: ClientError): string | ChatFailure | null {
    if (isDistrust(error)) return this.#distrust(server, error)
    this.#distrusted.delete(server)
    // The password follows at once.
    if (this.#isTold || isTokenSpent(error)) return null
    // It is sent on, by one that it has reached.
    if (error.symbol === 'go-to-host') return null
    // A node that is stopped in good order leaves its clients to the others, of which one answers within a second: that is no outage yet.
    if (error.symbol === 'shutting-down' && this.#servers.size > 1) return null
    this.#isTold = true
    return `no connection to ${server}, trying ${this.#servers.size > 1 ? 'the others' : 'again'}: ${safeText(error.message)}`
  }

  #distrust(server: string, error: Error): string | ChatFailure | null {
    if (this.#servers.has(server)) this.#distrusted.set(server, safeText(error.message))
    if (this.#distrusted.size === this.#servers.size) return new ChatFailure(EXIT.credentials, `${this.#distrustText()}: ${this.#advice}`, { cause: error })
    if (this.#toldOf.has(server)) return null
    this.#toldOf.add(server)
    const next = this.#servers.size > 1 ? 'the others' : `${[...this.#servers].join()} again`
    return `the certificate of ${server} is not trusted (${safeText(error.message)}), trying ${next}: ${this.#advice}`
  }

  #distrustText(): string {
    const [[server, reason] = ['', '']] = this.#distrusted
    if (this.#distrusted.size === 1) return `the certificate of ${server} is not trusted (${reason})`
    return `no certificate is trusted, of ${[...this.#distrusted].map(([each, why]) => `${each} (${why})`).join(' nor of ')}`
  }

  get #advice(): string {
    const { certificateFile } = this.#account
    return certificateFile === null ? 'name the one to trust with --ca FILE' : `${certificateFile} is not the right --ca`
  }
}

/** Errors of OpenSSL and Node for a certificate that is not trusted: trying the same server again does not help. */
const DISTRUST = /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|ERR_TLS_CERT_ALTNAME_INVALID$|HOSTNAME_MISMATCH$)/

function isDistrust(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && DISTRUST.test(String(error.code))) || isDistrust(error.cause)
}
