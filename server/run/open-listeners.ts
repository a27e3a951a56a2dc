/** The listeners of a configuration, and one line for the operator where one can't be opened. */
import { asError } from '../../protocol/as-error.js'
import type { Clock } from '../clock.js'
import { ConfigError } from '../config/config.js'
import { formatUrl, parseListenUrl } from '../config/listen-url.js'
import type { Config } from '../config/settings.js'
import type { Admission } from '../connection/admission.js'
import type { Connections } from '../connection/connections.js'
import type { ConnectionTaker } from '../listeners/connection-taker.js'
import type { Listener } from '../listeners/listener.js'
import { openListener } from '../listeners/open-listener.js'
import { ListenError } from './listen-error.js'
import { readTlsFiles, type TlsFiles } from '../listeners/tls-files.js'
import type { Log } from '../log.js'

/** Certificate and key, where a listener needs them. Throws ConfigError. */
export function readTls(config: Config, clock: Clock): TlsFiles | null {
  const { urls, tlsCertificate, tlsKey } = config.listen
  if (!urls.some((url) => parseListenUrl(url)?.encrypted === true)) return null
  return readTlsFiles(tlsCertificate, tlsKey, clock.nowMs())
}

/** Rejects with ListenError. */
export async function openOne(
  url: string, config: Config, clock: Clock, log: Log, admission: Admission, connections: Connections, taker: ConnectionTaker | null,
  tls: TlsFiles | null,
): Promise<Listener> {
  const parsed = parseListenUrl(url)
  if (parsed === null) throw new ConfigError(`listen.urls: ${url} is no listener`)
  try {
    return await openListener({
      url: parsed,
      accept: (transport) => connections.accept(transport),
      admission,
      clock,
      log,
      backlog: config.listen.backlog,
      openTimeoutMs: config.limits.openTimeoutMs,
      // A frame of the largest size with its length, and the whole first flight of a client that has a token.
      messageBytesMax: config.limits.frameBytesMax + 8,
      origins: config.listen.origins,
      taker,
      tls,
    })
  } catch (error) {
    // The port that was not written is what the operator has to know.
    throw listenError(parsed.port === 0 ? url : formatUrl(parsed.scheme, parsed.host, parsed.port), error)
  }
}

/** With what the operator can do about it. */
export function listenError(url: string, error: unknown): Error {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE': return new ListenError(`${url} is in use: stop the program that listens there, or choose another port`, { cause: error })
    case 'EACCES': return new ListenError(`${url} is not allowed to this user: choose a port above 1023`, { cause: error })
    case 'EADDRNOTAVAIL': return new ListenError(`${url} is not an address of this machine: choose one that is`, { cause: error })
    case 'ENOTFOUND':
    case 'EAI_AGAIN': return new ListenError(`${url} has a name that does not resolve: write an IP address`, { cause: error })
    default: return asError(error)
  }
}
