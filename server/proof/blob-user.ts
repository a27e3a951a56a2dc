/**
 * A user with files, who keeps the rules and believes nothing: uploads by tus in pieces of random size, over plain requests, and goes on
 * whatever dies meanwhile; sends what it has uploaded; fetches what it was sent and compares it with its hash.
 */
import { createHash } from 'node:crypto'
import { childOf, element, encodeElement } from '../../protocol/element.js'
import type { Element } from '../../protocol/element.js'
import { encodeExtensions } from '../../protocol/extensions.js'
import { ERROR, EXTENSION, OPERATION } from '../../protocol/generated/registry.js'
import { QueryFailed, RawDevice } from './raw-device.js'
import { Recorder } from './record.js'
import { delay, PATIENCE_MS } from './scope.js'

/** Between two attempts, at most. */
const AGAIN_MS = 100
const PIECE_BYTES_MAX = 300_000
const REQUEST_MS = 60_000

export interface SentBlob {
  readonly to: string
  readonly text: string
  readonly seq: number
  readonly id: string
}

/** What a user has seen that must not be. */
export class Breach extends Error {
  override readonly name = 'Breach'
}

export class BlobUser {
  readonly user: string
  readonly device: RawDevice
  readonly recorder: Recorder
  readonly #random: () => number
  readonly #acks = new Map<string, (seq: number) => void>()
  /** Bytes that were taken, and those that had to be sent to that end. */
  taken = 0
  sent = 0
  /** Requests and queries that failed on the way. */
  failures = 0

  constructor(url: string, user: string, random: () => number) {
    this.user = user
    this.#random = random
    this.recorder = new Recorder(user, 'phone')
    this.device = new RawDevice({
      url, user, device: 'phone', recorder: this.recorder, random, readShare: 0,
      onAck: (text, seq) => {
        this.#acks.get(text)?.(seq)
        this.#acks.delete(text)
      },
    })
  }

  /** Resolves with the blob's description once it is one. */
  async upload(bytes: Uint8Array, type = 'application/octet-stream'): Promise<Element> {
    const hash = sha256(bytes)
    // The offset that the server has promised is on stable storage. [BLB-7]
    let promised = 0
    const giveUpMs = performance.now() + PATIENCE_MS
    for (;;) {
      try {
        const answer = await this.device.ask(element('upload', { size: bytes.length, hash, type }))
        const held = childOf(answer, 'blob')
        if (held !== null) {
          this.taken += bytes.length
          return held
        }
        const { url = '', token = '', id = '' } = Object.fromEntries(answer.attributes)
        for (let offset = await this.#offset(url, token); offset < bytes.length;) {
          if (offset < promised) throw new Breach(`${this.user}: the upload was at ${promised} and is at ${offset}`)
          const piece = bytes.subarray(offset, offset + 1 + Math.floor(this.#random() * PIECE_BYTES_MAX))
          this.sent += piece.length
          offset = promised = await this.#patch(url, token, offset, piece)
        }
        const blob = await this.device.ask(element('blob', { upload: id }))
        if (blob.attributes.get('id') !== hash) throw new Breach(`${this.user}: ${hash} became ${JSON.stringify([...blob.attributes])}`)
        this.taken += bytes.length
        return blob
      } catch (error) {
        if (error instanceof Breach || performance.now() > giveUpMs) throw error
        if (error instanceof QueryFailed && !isPassing(error)) throw error
        // An upload that is over begins anew.
        if (error instanceof RequestFailed && (error.status === 404 || error.status === 410)) promised = 0
        this.failures++
        await delay(this.#random() * AGAIN_MS)
      }
    }
  }

  /** Resolves with the ack; with null where the server holds the blob for the user no more. */
  async sendBlob(to: string, text: string, blob: Element): Promise<SentBlob | null> {
    const { id = '', type = '', size = '0' } = Object.fromEntries(blob.attributes)
    const value = encodeElement(element('attachments', {}, element('attachment', { id, type, size })))
    return new Promise((resolve, reject) => {
      this.#acks.set(text, (seq) => { resolve({ to, text, seq, id }) })
      this.device.send(to, text, encodeExtensions([{ key: EXTENSION.attachment, value }]), (error) => {
        this.#acks.delete(text)
        if (error === ERROR.noSuchBlob) resolve(null)
        else reject(new Breach(`${this.user}: '${text}' was refused with ${error}`))
      })
    })
  }

  /** Holds what somebody else has sent; null: it is not there any more. */
  async keep(conversation: string, seq: number, id: string): Promise<Element | null> {
    try {
      return childOf(await this.device.ask(element('blob-keep', { with: conversation, seq, id })), 'blob')
    } catch (error) {
      if (error instanceof QueryFailed && (error.error === ERROR.noSuchBlob || error.error === ERROR.noSuchMessage)) return null
      throw error
    }
  }

  /** Takes back what was sent. */
  async remove({ to, seq }: SentBlob): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.device.operate(to, seq, OPERATION.delete, () => { resolve() }, (error) => { reject(new Breach(`${this.user}: the deletion of ${seq} was refused with ${error}`)) })
    })
  }

  /** The bytes, whose hash is right; null: the server says that there is no such message or blob. */
  async fetch(conversation: string, seq: number, id: string): Promise<Buffer | null> {
    const giveUpMs = performance.now() + PATIENCE_MS
    for (;;) {
      try {
        const answer = await this.device.ask(element('blob-url', { id, with: conversation, seq }))
        const response = await fetch(answer.attributes.get('url') ?? '', { signal: AbortSignal.timeout(REQUEST_MS) })
        if (response.status !== 200) throw new RequestFailed(response.status, await response.text())
        const bytes = Buffer.from(await response.arrayBuffer())
        if (sha256(bytes) !== id) throw new Breach(`${this.user}: ${conversation}/${seq} is not ${id}`)
        return bytes
      } catch (error) {
        if (error instanceof QueryFailed && (error.error === ERROR.noSuchBlob || error.error === ERROR.noSuchMessage)) return null
        if (error instanceof Breach || performance.now() > giveUpMs) throw error
        if (error instanceof QueryFailed && !isPassing(error)) throw error
        this.failures++
        await delay(this.#random() * AGAIN_MS)
      }
    }
  }

  async #offset(url: string, token: string): Promise<number> {
    const response = await this.#request(url, token, { method: 'HEAD' })
    if (response.status !== 200) throw new RequestFailed(response.status, '')
    return Number(response.headers.get('upload-offset'))
  }

  /** Resolves with the new offset. */
  async #patch(url: string, token: string, offset: number, piece: Uint8Array): Promise<number> {
    const response = await this.#request(url, token, {
      method: 'PATCH', body: piece as Uint8Array<ArrayBuffer>,
      headers: { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset) },
    })
    if (response.status !== 204) throw new RequestFailed(response.status, await response.text())
    const next = Number(response.headers.get('upload-offset'))
    if (next !== offset + piece.length) throw new Breach(`${this.user}: ${piece.length} bytes at ${offset} made it ${next}`)
    return next
  }

  #request(url: string, token: string, init: RequestInit): Promise<Response> {
    return fetch(url, {
      ...init, signal: AbortSignal.timeout(REQUEST_MS),
      headers: { ...init.headers as Record<string, string>, 'authorization': `Bearer ${token}`, 'tus-resumable': '1.0.0' },
    })
  }
}

class RequestFailed extends Error {
  override readonly name = 'RequestFailed'
  readonly status: number

  constructor(status: number, body: string) {
    super(`HTTP ${status} ${body}`)
    this.status = status
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Over once the server is back, has a commit again, or has room. */
function isPassing({ error }: QueryFailed): boolean {
  return error === 0 || error === ERROR.unavailable || error === ERROR.rateLimited || error === ERROR.resourceLimit || error === ERROR.storageFull
    // Asked what became of an upload that has expired, or that a crash took back.
    || error === ERROR.noSuchBlob
}
