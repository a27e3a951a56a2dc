/** `chatd/client` in Node: TCP, TLS and WebSocket, and a storage in files. */
import { nodeBlobs } from './blob-node.js'
import { nodeCrypto } from './crypto-node.js'
import { BaseClient } from './client.js'
import type { ClientOptions } from './client-types.js'
import { commonPlatform } from './driver.js'
import type { Platform } from './driver.js'
import { registerAccount } from './register.js'
import type { RegisterOptions } from './register.js'
import { connectNode } from './transport-node.js'

const nodePlatform: Platform = { ...commonPlatform, connect: connectNode, crypto: nodeCrypto, blobs: nodeBlobs }

/** The client for Node; see client.ts. */
export class Client extends BaseClient {
  constructor(options: ClientOptions) {
    super(options, nodePlatform)
  }
}

/** Makes an account; see register.ts. */
export function register(options: RegisterOptions): Promise<string> {
  return registerAccount(options, nodePlatform)
}

export { fileStorage } from './storage-file-node.js'
export { memoryStorage } from './storage-memory.js'
export { ClientError } from './client-error.js'
export { MessageViews } from './message-views.js'
export { isReaction } from '../reaction.js'
export { readReferences } from '../references.js'
export { attachmentOf } from './blob-client.js'
export type * from './public-types.js'
