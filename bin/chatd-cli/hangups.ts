/**
 * SIGHUP, by which a server with TLS reads its certificates again. Heeded from before the server is loaded: the service manager that has just started
 * it may send one, and unheeded it would end the process. One that comes while the server starts counts when it has: the files may have been read before.
 */
import { isatty } from 'node:tty'
import type { Config } from '../../server/config/settings.js'

export class Hangups {
  /** Otherwise there is nothing to read again. */
  readonly hasTls: boolean
  #isAsked = false
  #renew: (() => void) | null = null

  /** Without TLS a hangup of the terminal ends the server, like any program in the foreground; without a terminal it is a service manager's reload. */
  constructor({ listen, cluster }: Pick<Config, 'listen' | 'cluster'>) {
    const urls = cluster.redis.length > 0 ? [...listen.urls, cluster.link] : listen.urls
    this.hasTls = urls.some((url) => /^(?:tls|wss):/.test(url))
    if (this.hasTls || !isatty(0)) process.on('SIGHUP', () => { this.#ask() })
  }

  /** From now on. */
  heed(renew: () => void): void {
    this.#renew = renew
    if (this.#isAsked) renew()
  }

  #ask(): void {
    this.#isAsked = true
    this.#renew?.()
  }
}
