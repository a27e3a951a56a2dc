/**
 * Blobs in a bucket of Amazon S3 or of a server that speaks as it does: an object under its prefix and name. All requests can be repeated
 * without harm, so each is, with growing pauses, while the server can't answer; and what is sent is signed with its hash, so that the
 * server itself refuses anything else than what the name says.
 */
import { randomBytes, createHash } from 'node:crypto'
import { unlink } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf, toBlobError } from './blob-error.js'
import { BlobError, assertBlobName, assertByteRange, isBlobName } from './blob-store.js'
import type { BlobStore, StoredBlob } from './blob-store.js'
import { openRegularFile, readFileRange } from './file-range.js'
import { assertS3Place, bucketUrl, objectUrl } from './s3-address.js'
import type { S3Place } from './s3-address.js'
import { S3_ERROR_BYTES_MAX, s3Error } from './s3-error.js'
import { S3Transport, networkError } from './s3-transport.js'
import type { S3Answer, S3Body, S3Keys, S3Request, S3TransportOptions } from './s3-transport.js'
import { S3_XML_BYTES_MAX, parseS3List } from './s3-xml.js'
import type { S3ListPage } from './s3-xml.js'

export interface S3BlobStoreOptions extends S3Place, S3TransportOptions {
  /** Of each request, the first among them; 1 or more. */
  readonly attemptsMax: number
  /** The longest pause before the second attempt, in milliseconds; it doubles with each. The pause is random below that. */
  readonly backoffMs: number
  /** No pause is longer, in milliseconds. */
  readonly backoffMaxMs: number
  /** Objects in a page of a list, up to 1,000. */
  readonly listPageMax: number
  /** In [0, 1), for the pauses. */
  readonly random: () => number
}

export class S3BlobStore implements BlobStore {
  readonly name = 's3'
  readonly #options: S3BlobStoreOptions
  readonly #secrets: readonly string[]
  readonly #transport: S3Transport
  readonly #closing = new AbortController()

  /** Connects to nothing yet. Throws a TypeError for a place that can't be one, which names no secret. */
  constructor(options: S3BlobStoreOptions) {
    assertS3Place(options)
    assertKeys(options)
    this.#options = options
    this.#secrets = [options.secretAccessKey, options.accessKeyId, options.sessionToken ?? '']
    this.#transport = new S3Transport(options)
  }

  async put(name: string, path: string, size: number): Promise<void> {
    assertBlobName(name)
    const doing = `the blob ${name} could not be stored`
    const there = await sizeOfFile(path, doing)
    if (there === null) {
      // An earlier attempt may have got as far as to take the file away.
      if (await this.stat(name) !== size) throw new BlobError('internal', `${doing}: ${path} is not there`)
      return
    }
    if (there !== size) throw new BlobError('damaged', `${doing}: ${path} has ${there} bytes, not ${size}`)
    await this.#putObject(name, { sha256: name, size, open: () => readFileRange(path, 0, size, doing) }, doing)
    await unlink(path).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw toBlobError(error, `${path}, which is stored as the blob ${name}, could not be removed`)
    })
  }

  async read(name: string, start: number, end: number): Promise<Readable> {
    assertBlobName(name)
    assertByteRange(start, end)
    const doing = `the blob ${name} could not be read`
    if (start < end) return this.#attempt(doing, () => this.#readRange(name, start, end))
    // HTTP has no range of no bytes.
    const size = await this.stat(name)
    if (size === null) throw new BlobError('not-found', `${doing}: there is none`)
    if (size < end) throw new BlobError('damaged', `${doing}: it has ${size} bytes, less than ${end}`)
    return Readable.from([])
  }

  async stat(name: string): Promise<number | null> {
    assertBlobName(name)
    try {
      return await this.#attempt(`the blob ${name} could not be looked up`, () => this.#sizeOf(name))
    } catch (error) {
      if (errnoOf(error) === 'not-found') return null
      throw error
    }
  }

  async delete(name: string): Promise<void> {
    assertBlobName(name)
    try {
      await this.#attempt(`the blob ${name} could not be deleted`, async () => {
        await drain((await this.#send({ method: 'DELETE', url: objectUrl(this.#options, name) }, [200, 202, 204])).body)
      })
    } catch (error) {
      // Amazon says 204, others may say that there is none.
      if (errnoOf(error) !== 'not-found') throw error
    }
  }

  async* list(after: string): AsyncGenerator<StoredBlob> {
    const { prefix } = this.#options
    let next: string | null = null
    do {
      const token: string | null = next
      const page: S3ListPage = await this.#attempt('the blobs could not be listed', () => this.#listPage(after, token))
      for (const { key, size, modifiedMs } of page.objects) {
        const name = key.slice(prefix.length)
        if (key.startsWith(prefix) && isBlobName(name) && name > after) yield { name, size, modifiedMs }
      }
      next = page.next
      if (next !== null && next === token) throw new BlobError('internal', 'the list of blobs has a page that leads to itself; check the endpoint')
    } while (next !== null)
  }

  async check(): Promise<void> {
    const bytes = Buffer.from(`chatd probe ${randomBytes(16).toString('hex')}`)
    const name = createHash('sha256').update(bytes).digest('hex')
    const body: S3Body = { sha256: name, size: bytes.length, open: async () => Readable.from([bytes]) }
    await this.#putObject(name, body, 'the bucket cannot be written')
    try {
      const read: Buffer[] = []
      for await (const chunk of await this.read(name, 0, bytes.length)) read.push(chunk as Buffer)
      if (!Buffer.concat(read).equals(bytes)) throw new BlobError('damaged', 'the bucket does not give what was just written to it')
      await this.#attempt('the bucket cannot be listed', () => this.#listPage(name, null))
    } catch (error) {
      await this.delete(name).catch(() => undefined)
      throw error
    }
    await this.delete(name)
    // Whoever may not list is told 403, not 404, of what is not there.
    if (await this.stat(name) !== null) throw new BlobError('internal', 'the bucket gives an object that was just deleted from it')
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#transport.close()
  }

  async #putObject(name: string, body: S3Body, doing: string): Promise<void> {
    const request: S3Request = {
      method: 'PUT', url: objectUrl(this.#options, name), headers: { 'content-type': 'application/octet-stream' }, body,
    }
    await this.#attempt(doing, async () => drain((await this.#send(request, [200, 201, 204])).body))
  }

  async #readRange(name: string, start: number, end: number): Promise<Readable> {
    const request: S3Request = { method: 'GET', url: objectUrl(this.#options, name), headers: { range: `bytes=${start}-${end - 1}` } }
    // 200 is right where the whole was asked for, whether or not the server knows ranges.
    const { status, headers, body } = await this.#send(request, start === 0 ? [206, 200] : [206])
    const given = status === 206 ? headers['content-range'] : undefined
    if (given !== undefined && !given.startsWith(`bytes ${start}-${end - 1}/`)) {
      body.destroy()
      throw new BlobError('damaged', `it has no bytes ${start} to ${end - 1}, but ${given.slice(0, 60)}`)
    }
    return exactly(body, end - start, `the blob ${name} could not be read`)
  }

  /** By HEAD; where that says anything else than 200, a GET says in words why: an answer to HEAD has none. */
  async #sizeOf(name: string): Promise<number> {
    const url = objectUrl(this.#options, name)
    const { status, headers, body } = await this.#transport.send({ method: 'HEAD', url })
    await drain(body)
    if (status === 200) return sizeOf(headers['content-length'])
    const answer = await this.#send({ method: 'GET', url, headers: { range: 'bytes=0-0' } }, [200, 206])
    answer.body.destroy()
    throw new BlobError('unavailable', `a HEAD is answered ${status}, a GET ${answer.status}`)
  }

  async #listPage(after: string, next: string | null): Promise<S3ListPage> {
    const { prefix, listPageMax } = this.#options
    const url = bucketUrl(this.#options)
    url.searchParams.set('list-type', '2')
    // A foreign key may hold what XML has no way to write.
    url.searchParams.set('encoding-type', 'url')
    url.searchParams.set('max-keys', String(listPageMax))
    if (prefix !== '') url.searchParams.set('prefix', prefix)
    if (next !== null) url.searchParams.set('continuation-token', next)
    else if (after !== '') url.searchParams.set('start-after', prefix + after)
    const { body } = await this.#send({ method: 'GET', url }, [200])
    const page = parseS3List(await textOf(body, S3_XML_BYTES_MAX))
    if (page === null) throw new BlobError('internal', 'the answer is no list of S3\'s; check the endpoint')
    return page
  }

  /** One attempt, whose answer is one of these or becomes an error. */
  async #send(request: S3Request, expected: readonly number[]): Promise<S3Answer> {
    const answer = await this.#transport.send(request)
    if (expected.includes(answer.status)) return answer
    const { status, headers, body } = answer
    // A refusal that can't be read is one all the same.
    const xml = await textOf(body, S3_ERROR_BYTES_MAX).catch(() => '')
    const header = (name: string): string => String(headers[name] ?? '')
    throw s3Error({ status, xml, header }, this.#options, this.#secrets, Date.now())
  }

  /** Repeats what fails with 'unavailable' as often as the options say, and gives the errors their beginning. */
  async #attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
    const { attemptsMax, backoffMs, backoffMaxMs, random } = this.#options
    for (let attempt = 1;; attempt++) {
      if (this.#closing.signal.aborted) throw new BlobError('unavailable', `${doing}: the blob store is closed`)
      try {
        return await work()
      } catch (caught) {
        const error = networkError(caught)
        if (error.code !== 'unavailable' || attempt >= attemptsMax || this.#closing.signal.aborted) {
          const times = attempt === 1 ? '' : ` (after ${attempt} attempts)`
          throw new BlobError(error.code, `${doing}: ${error.message}${times}`, { cause: error })
        }
      }
      // Random over the whole, so that those whom the same fault has hit do not come back together.
      const pauseMs = random() * Math.min(backoffMaxMs, backoffMs * 2 ** (attempt - 1))
      await sleep(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => undefined)
    }
  }
}

/** A stream of exactly so many bytes of `body`, or with an error once it is read: before that nobody may be there to hear of one. */
function exactly(body: Readable, size: number, doing: string): Readable {
  let left = size
  let isWanted = false
  let failure: BlobError | null = null
  const stream = new Readable({
    read() {
      isWanted = true
      if (failure !== null) stream.destroy(failure)
      else body.resume()
    },
    destroy(error, callback) {
      body.destroy()
      callback(error)
    },
  })
  const fail = (error: unknown): void => {
    const { code, message } = networkError(error)
    failure = new BlobError(code, `${doing}: ${message}`, { cause: error })
    if (isWanted) stream.destroy(failure)
  }
  body.pause()
  body.on('data', (chunk: Buffer) => {
    left -= chunk.length
    isWanted = false
    if (left < 0) stream.destroy(new BlobError('damaged', `${doing}: the server gives more bytes than were asked for`))
    else if (!stream.push(chunk)) body.pause()
  })
  body.once('end', () => {
    if (left === 0) stream.push(null)
    else stream.destroy(new BlobError('damaged', `${doing}: ${left} bytes are missing`))
  })
  body.on('error', fail)
  if (body.errored !== null) fail(body.errored)
  return stream
}

async function drain(body: Readable): Promise<void> {
  await textOf(body, S3_ERROR_BYTES_MAX)
}

/** All of a body as text. Rejects with 'internal', and reads no further, if it is longer than that. */
async function textOf(body: Readable, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  // Leaving the loop destroys the body.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bytesMax) throw new BlobError('internal', `the answer has more than ${bytesMax} bytes; check the endpoint`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function sizeOf(contentLength: string | undefined): number {
  if (contentLength === undefined || !/^\d{1,15}$/.test(contentLength)) throw new BlobError('internal', 'the answer to HEAD has no size')
  return Number(contentLength)
}

async function sizeOfFile(path: string, doing: string): Promise<number | null> {
  try {
    const { handle, size } = await openRegularFile(path)
    await handle.close()
    return size
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw toBlobError(error, doing)
  }
}

function assertKeys({ accessKeyId, secretAccessKey, sessionToken }: S3Keys): void {
  for (const key of [accessKeyId, secretAccessKey, sessionToken ?? 'none']) {
    // They go into headers; what else is wrong with them only the server knows.
    if (!/^[\x21-\x7e]{1,4096}$/.test(key)) throw new TypeError('the keys of S3 are printable ASCII without spaces')
  }
}
