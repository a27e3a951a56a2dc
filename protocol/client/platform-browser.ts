/** WebSocket, Web Crypto and fetch: the platform of the client in browsers. */
import { SUBPROTOCOL } from '../generated/registry.js'
import { webCrypto } from '../web-crypto.js'
import { browserBlobs } from './blob-browser.js'
import { commonPlatform } from './driver.js'
import type { Platform } from './driver.js'
import { openWebSocket, webSocketUrl } from './transport-websocket.js'
import type { WebSocketLike } from './transport-websocket.js'
import type { Connect } from './transport.js'

type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

const connectBrowser: Connect = (address, _options, handlers, signal) => {
  if (address.scheme !== 'ws' && address.scheme !== 'wss') {
    return Promise.reject(new TypeError(`a browser reaches ws:// and wss:// only, not ${address.scheme}://`))
  }
  const { WebSocket } = globalThis as unknown as { readonly WebSocket: WebSocketConstructor }
  const socket = new WebSocket(webSocketUrl(address), [SUBPROTOCOL])
  // A browser has no way to drop a connection but to close it.
  return openWebSocket(socket, handlers, signal, () => { socket.close() })
}

/** What browsers have. */
export const browserPlatform: Platform = { ...commonPlatform, connect: connectBrowser, crypto: webCrypto, blobs: browserBlobs }
