/** Blobs in Node: node:http, so that the certificates of the connection count here too, hashing by node:crypto, and files. */
import { createHash } from 'node:crypto'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { BlobPlatform, HttpRequest, HttpResponse, SendHttp } from './blob-platform.js'
import { openFileSource } from './blob-source-node.js'
import { openFileTarget } from './blob-target-node.js'

function nodeHttp(ca: Parameters<BlobPlatform['http']>[0]): SendHttp {
  const trust = ca === undefined ? {} : { ca: Array.isArray(ca) ? ca.map(asPem) : asPem(ca as string | Uint8Array) }
  return async ({ method, url, headers, body, signal }: HttpRequest): Promise<HttpResponse> => {
    const bytes = body === null || body instanceof Uint8Array ? body : new Uint8Array(await body.arrayBuffer())
    return new Promise((resolve, reject) => {
      const send = new URL(url).protocol === 'https:' ? requestHttps : requestHttp
      const size = bytes === null ? {} : { 'content-length': String(bytes.length) }
      const request = send(url, { method, headers: { ...headers, ...size }, signal, ...trust })
      request.on('response', (response) => {
        resolve({
          status: response.statusCode ?? 0,
          header: (name) => {
            const value = response.headers[name]
            return typeof value === 'string' ? value : null
          },
          body: response as AsyncIterable<Uint8Array>,
        })
      })
      request.on('error', reject)
      request.end(bytes ?? undefined)
    })
  }
}

function asPem(certificate: string | Uint8Array): string | Buffer {
  return typeof certificate === 'string' ? certificate : Buffer.from(certificate)
}

export const nodeBlobs: BlobPlatform = {
  http: nodeHttp,
  newHash: () => {
    const hash = createHash('sha256')
    return { update: (bytes) => { hash.update(bytes) }, digest: async () => hash.digest('hex') }
  },
  openSource: openFileSource,
  openTarget: openFileTarget,
}
