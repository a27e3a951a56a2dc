/** From a URL to its listener. */
import type { Listener, ListenerOptions } from './listener.js'
import { openTcpListener, openTlsListener } from './stream-listener.js'
import { openWsListener, openWssListener } from './web-listener.js'

/** Opens the listener for the URL's scheme. Rejects with the error of `listen`. */
export function openListener(options: ListenerOptions): Promise<Listener> {
  switch (options.url.scheme) {
    case 'tcp': return openTcpListener(options)
    case 'tls': return openTlsListener(options)
    case 'ws': return openWsListener(options)
    case 'wss': return openWssListener(options)
  }
}
