/** TLS settings that tls:// and wss:// share. */
import type { TlsOptions } from 'node:tls'
import type { ListenerOptions } from './listener.js'

/** TLS 1.3 alone; Node's server never accepts early data. [FRM-13] [FRM-14] */
export function serverTlsOptions(options: ListenerOptions): TlsOptions {
  if (options.tls === null) throw new TypeError('a TLS listener needs certificate and key')
  return {
    cert: options.tls.cert,
    key: options.tls.key,
    minVersion: 'TLSv1.3',
    handshakeTimeout: options.openTimeoutMs,
  }
}
