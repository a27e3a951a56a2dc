/** `chatd/client` in browsers: WebSocket and IndexedDB. */
import { SUBPROTOCOL } from '../generated/registry.js'
import { webCrypto } from '../web-crypto.js'
import { browserBlobs } from './blob-browser.js'
import { BaseClient } from './client.js'
import type { ClientOptions } from './client.js'
import { commonPlatform } from './driver.js'
import type { Platform } from './driver.js'
import { registerAccount } from './register.js'
import type { RegisterOptions } from './register.js'
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

const browserPlatform: Platform = { ...commonPlatform, connect: connectBrowser, crypto: webCrypto, blobs: browserBlobs }

/** The client for browsers; see client.ts. */
export class Client extends BaseClient {
  constructor(options: ClientOptions) {
    super(options, browserPlatform)
  }
}

/** Makes an account; see register.ts. */
export function register(options: RegisterOptions): Promise<string> {
  return registerAccount(options, browserPlatform)
}

export { indexedDbStorage } from './storage-indexeddb.js'
export { memoryStorage } from './storage-memory.js'
export { ClientError } from './client-error.js'
export { MessageViews } from './message-views.js'
export { isReaction } from '../reaction.js'
export { readReferences } from '../references.js'
export { attachmentOf } from './blob-client.js'
export type * from './public-types.js'
