/** A session on a whole server that asks the queries of spec/blobs.md and uploads by HTTP, all written by hand. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { encodeAttachments } from '../../../protocol/attachments.js'
import { element, type Element } from '../../../protocol/element.js'
import { encodeMessage, encodeQuery } from '../../../protocol/generated/frames.js'
import { ERRORS, FRAME } from '../../../protocol/generated/registry.js'
import type { RawClient } from '../../listeners/testing/raw-client.js'
import { login, PASSWORD } from '../../testing/live-server.js'
import { request, sha256 } from './http-rig.js'

type Attributes = Readonly<Record<string, string | number | undefined>>

export class BlobSession {
  readonly client: RawClient
  #lastId = 0

  private constructor(client: RawClient) {
    this.client = client
  }

  static async open(t: TestContext, url: string, user: string, password = PASSWORD, device = 'phone'): Promise<BlobSession> {
    return new BlobSession((await login(t, url, user, device, 0, password)).client)
  }

  /** The element that answers, or the name of the error. */
  async ask(name: string, attributes: Attributes): Promise<Element | string> {
    const id = ++this.#lastId
    this.client.send(encodeQuery(id, element(name, attributes)))
    for (;;) {
      const frame = await this.client.next()
      assert.ok(frame !== null, 'the connection ended')
      if (frame.type === FRAME.fail && frame.id === id) return ERRORS.get(frame.error)?.name ?? String(frame.error)
      if (frame.type === FRAME.result && frame.id === id) return frame.element
    }
  }

  /** Its attributes, and those of the one child under a name of its own. */
  async answer(name: string, attributes: Attributes): Promise<Record<string, string>> {
    const answered = await this.ask(name, attributes)
    if (typeof answered === 'string') assert.fail(`${name}: ${answered}`)
    assert.equal(answered.name, name)
    return Object.fromEntries(answered.attributes)
  }

  async slot(content: Uint8Array, type = 'application/octet-stream', more: Attributes = {}): Promise<{ id: string, url: string, token: string, offset: string, expires: string }> {
    const slot = await this.answer('upload', { size: content.length, hash: sha256(content), type, ...more })
    assert.deepEqual(Object.keys(slot).sort(), ['expires', 'id', 'offset', 'token', 'url'])
    return slot as { id: string, url: string, token: string, offset: string, expires: string }
  }

  /** Uploads in one request; the description of what it is now. */
  async upload(content: Uint8Array, type = 'application/octet-stream', more: Attributes = {}): Promise<Record<string, string>> {
    const slot = await this.slot(content, type, more)
    const put = await request('PUT', slot.url, { authorization: `Bearer ${slot.token}` }, content)
    assert.equal(put.status, 201, put.body.toString())
    return this.answer('blob', { upload: slot.id })
  }

  /** Sends a blob; its seq. */
  async send(to: string, clientId: number, { id = '', type = '', size = '0' }: Record<string, string>, caption = ''): Promise<number> {
    this.client.send(encodeMessage(clientId, to, Buffer.from(caption), encodeAttachments([{
      id, type, size: Number(size), name: 'beach.jpg', width: 0, height: 0, durationMs: 0, placeholder: new Uint8Array(0), thumbnail: false, preview: '', key: new Uint8Array(0),
    }])))
    const ack = await this.client.until(FRAME.ack)
    assert.ok(ack.type === FRAME.ack)
    return ack.seq
  }

  /** What a URL of this query gives. */
  async download(attributes: Attributes): Promise<Buffer> {
    const { url = '', size, hash, type } = await this.answer('blob-url', attributes)
    const answer = await request('GET', url)
    assert.equal(answer.status, 200)
    assert.deepEqual([answer.body.length, sha256(answer.body), answer.headers['content-type']], [Number(size), hash, type])
    return answer.body
  }
}
