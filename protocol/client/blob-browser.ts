/** Blobs in browsers: fetch, and WebCrypto, which hashes in one go: what is hashed is in memory meanwhile. */
import { concatBytes } from '../bytes.js'
import type { BlobPlatform, Hash, HttpRequest, HttpResponse } from './blob-platform.js'

async function sendByFetch({ method, url, headers, body, signal }: HttpRequest): Promise<HttpResponse> {
  // The types of Node know no cache; what this client keeps, the application keeps.
  const options = { redirect: 'error', cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer' } as const
  const response = await fetch(url, { ...options, method, headers, signal, ...body === null ? {} : { body } })
  return { status: response.status, header: (name) => response.headers.get(name), body: chunksOf(response) }
}

/** Not every browser can iterate a stream. */
async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array, void, undefined> {
  if (body === null) return
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read() as { readonly done: boolean; readonly value?: Uint8Array }
    if (done || value === undefined) return
    yield value
  }
}

class WebHash implements Hash {
  readonly #pieces: Uint8Array[] = []

  update(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
  }

  async digest(): Promise<string> {
    const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', concatBytes(...this.#pieces)))
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
  }
}

export const browserBlobs: BlobPlatform = {
  http: () => sendByFetch,
  newHash: () => new WebHash(),
  openSource: null,
  openTarget: null,
}
