/** `chatd/client` in browsers: WebSocket and IndexedDB. */
import { BaseClient } from './client.js'
import type { ClientOptions } from './client-types.js'
import { browserPlatform } from './platform-browser.js'
import { registerAccount } from './register.js'
import type { RegisterOptions } from './register.js'

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
