/**
 * The adapter of the reference client in Node: JSON lines on stdin and stdout, storage in files.
 *
 *     bin/chat-conformance client -- node dist/conformance/adapters/reference.js
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { nodeBlobs } from '../../protocol/client/blob-node.js'
import { nodeCrypto } from '../../protocol/client/crypto-node.js'
import { fileStorage } from '../../protocol/client/storage-file-node.js'
import { connectNode } from '../../protocol/client/transport-node.js'
import { Application } from './application.js'
import type { Host, Request } from './application.js'
import { rightParts } from './parts.js'
import type { Parts } from './parts.js'

const host: Host = {
  name: 'chatd reference client, Node',
  features: ['websocket', 'tls', 'channel-binding'],
  trusted: (ca) => readFileSync(ca, 'utf8'),
  platform: { connect: connectNode, crypto: nodeCrypto, blobs: nodeBlobs },
  open: (folder) => {
    const file = `${folder}/shown.jsonl`
    return {
      storage: fileStorage(`${folder}/state`),
      lines: () => existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [],
      append: (line) => { appendFileSync(file, `${line}\n`) },
      // The runner removes the folder.
      forget: () => Promise.resolve(),
    }
  },
}

/** Answers the runner until stdin ends. */
export function serve(parts: Parts): void {
  const application = new Application(host, parts)
  createInterface({ input: process.stdin }).on('line', (line) => {
    void application.answer(JSON.parse(line) as Request).then((answer) => { process.stdout.write(`${JSON.stringify(answer)}\n`) })
  }).on('close', () => { process.exit(0) })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) serve(rightParts)
