/** People who send pictures: they upload, look at what they were sent, keep some of it, while the store of blobs is away now and then. */
import { encodeAttachments, readAttachments } from '../../../protocol/attachments.js'
import { EMPTY_BYTES } from '../../../protocol/bytes.js'
import { ERROR, type ErrorCode } from '../../../protocol/generated/registry.js'
import type { BlobCommands } from '../../blobs/blob-router.js'
import { objectsOf } from '../../holdings/merge.js'
import { type Audit, auditBlobs, auditShards, BlobBreach, checkShares } from '../../holdings/testing/audit.js'
import { RouterError, type StoredMessage } from '../../router/router.js'
import { blobOf, hashOf } from '../blob-store.js'
import { conversationName } from '../../shard/conversation-name.js'
import { Breach } from './breach.js'
import type { SimDevice } from './device.js'
import { GROUP } from './group-oracle.js'
import { OUTBOX_MAX } from './operation-life.js'
import { ignore, type Life, type Scene } from './scene.js'

const PICTURES = ['a beach', 'a hill'] as const
const SIZE = 1000
const TYPE = 'image/png'
const PAGE = 20
/** Longer than holds, uploads, late puts and loans take to end, where the sweep that ends them has just looked. */
const REST_MS = 1_800_000
const PUT_MS_MAX = 20
const PASS_MS = 3000
/** What nobody may be told of a message that it is shown. */
const NOT_FOUND: ReadonlySet<ErrorCode> = new Set([ERROR.noSuchBlob, ERROR.noSuchMessage, ERROR.noSuchConversation])

/** What a message carries; none where it carries no picture. */
export function carrying(picture: string): Uint8Array {
  if (picture === '') return EMPTY_BYTES
  return encodeAttachments([{
    id: hashOf(picture), type: TYPE, size: SIZE, name: '', width: 0, height: 0, durationMs: 0, placeholder: EMPTY_BYTES, thumbnail: true, preview: '',
    key: EMPTY_BYTES,
  }])
}

export class BlobLife implements Life {
  readonly #scene: Scene
  #restingSinceMs = 0
  /** `user picture`: it was there once, and may have ended since. */
  readonly #uploaded = new Set<string>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  act(): string {
    const { random, users, devices, disk, world } = this.#scene
    const user = random.pick(users)
    const picture = random.pick(PICTURES)
    const to = random.pick([GROUP, ...users])
    const dice = random.below(100)
    const device = random.pick(devices)
    if (dice < 15) return this.#takeBack(device)
    if (dice < 75) {
      ignore(this.#scene, this.#show(device, picture, to))
      return `${device.user}/${device.id} shows ${picture} to ${to}`
    }
    if (dice < 78) {
      const { blobs } = disk
      blobs.failure = blobs.failure === null ? new Error('simulated: the store is away') : null
      return blobs.failure === null ? 'the store is back' : 'the store is away'
    }
    if (dice < 84) {
      const passedMs = random.below(PASS_MS)
      world.passTime(passedMs)
      return `${String(passedMs)} ms pass`
    }
    ignore(this.#scene, this.#look(user, to, dice < 90))
    ignore(this.#scene, this.#audit())
    return `${user} looks at the pictures of ${to}`
  }

  /** Uploads it, where that has not been done, and sends it; sometimes without looking whether it is there. */
  async #show(device: SimDevice, picture: string, to: string): Promise<void> {
    const { random, server } = this.#scene
    const { user } = device
    if (!this.#uploaded.has(`${user} ${picture}`) && !random.chance(0.1)) {
      await this.#upload(user, picture)
      if (!server.isAlive) return
      this.#uploaded.add(`${user} ${picture}`)
    } else if (random.chance(0.1)) this.#uploaded.delete(`${user} ${picture}`)
    if (device.outbox.length < OUTBOX_MAX) device.write(to, `${user}/${device.id} shows ${String(this.#scene.nextNumber())}`, picture)
  }

  #takeBack(device: SimDevice): string {
    const { random, users } = this.#scene
    const written = [GROUP, ...users].filter((to) => device.ownSeqs.has(conversationName(device.user, to)))
    if (written.length === 0 || device.outbox.length >= OUTBOX_MAX) return `${device.user}/${device.id} has nothing to take back`
    const to = random.pick(written)
    const target = random.pick(device.ownSeqs.get(conversationName(device.user, to)) ?? [])
    device.operate(to, 'delete', target, '')
    return `${device.user}/${device.id} takes back ${String(target)} of ${to}`
  }

  get #blobs(): BlobCommands {
    const { blobs } = this.#scene.server.router
    if (blobs === null) throw new Breach('no blobs are kept')
    return blobs
  }

  /** As the HTTP side does it; a server that dies in the middle does nothing more. */
  async #upload(user: string, picture: string): Promise<void> {
    const { server, disk } = this.#scene
    const blobs = this.#blobs
    const opened = await blobs.openUpload(user, { size: SIZE, hash: hashOf(picture), type: TYPE, strip: false, picture: false })
    if ('blob' in opened) return
    const { upload } = opened
    const blob = blobOf(picture, upload.key, { size: SIZE, type: TYPE })
    if (!await blobs.storing(upload.id, objectsOf(blob))) return
    for (const object of objectsOf(blob)) {
      await this.#time()
      if (!server.isAlive) return
      disk.blobs.put(object)
    }
    await blobs.finishUpload(upload.id, blob)
  }

  #time(): Promise<void> {
    const { world, random } = this.#scene
    return new Promise((resolve) => { world.after(random.below(PUT_MS_MAX), resolve) })
  }

  /** What a message shows can be found by who is shown it, unless the message is gone by then. [BLB-13] [BLB-16] */
  async #look(user: string, to: string, keeps: boolean): Promise<void> {
    const { server } = this.#scene
    const blobs = this.#blobs
    const { messages } = await server.router.history(user, to, { limit: PAGE })
    for (const message of messages) {
      for (const id of carriedBy(message)) {
        const place = { kind: 'message', conversation: to, seq: message.seq, id } as const
        try {
          const blob = await (keeps ? blobs.keep(user, to, message.seq, id) : blobs.find(user, place))
          const missing = objectsOf(blob).find((object) => !this.#scene.disk.blobs.objects.has(object))
          // It may be deleted, and erased, before it is fetched.
          if (missing !== undefined && server.isAlive && !await this.#isGone(user, to, message)) {
            throw new Breach(`${user} finds ${id} in ${to} ${String(message.seq)}, and it is not in the store`)
          }
        } catch (error) {
          if (!(error instanceof RouterError) || (NOT_FOUND.has(error.code) && server.isAlive && !await this.#isGone(user, to, message))) {
            throw new Breach(`${user} is shown ${to} ${String(message.seq)}, and does not find ${id}`, { cause: error })
          }
        }
      }
    }
  }

  async #isGone(user: string, to: string, { seq }: StoredMessage): Promise<boolean> {
    const { messages } = await this.#scene.server.router.history(user, to, { after: seq - 1, limit: 1 })
    return messages.every((message) => carriedBy(message).length === 0)
  }

  /** Of each shard. */
  async #audit(): Promise<readonly Audit[]> {
    const { disks, disk: { blobs } } = this.#scene
    const engines = disks.map(({ stored }) => stored.copy())
    const objects = new Set(blobs.objects)
    try {
      return await (engines.length === 1 ? Promise.all(engines.map((engine) => auditBlobs(engine, objects))) : auditShards(engines, objects))
    } catch (error) {
      throw error instanceof BlobBreach ? new Breach(error.message, { cause: error }) : error
    }
  }

  #checkShares(audits: readonly Audit[]): void {
    try {
      checkShares(audits, (name) => this.#scene.server.homeOf(name))
    } catch (error) {
      throw error instanceof BlobBreach ? new Breach(error.message, { cause: error }) : error
    }
  }

  /** The server died: what it leaves has to be true. */
  abandon(): void {
    ignore(this.#scene, this.#audit())
  }

  /** Until everything that ends by itself has ended. */
  isAtRest(): boolean {
    const { world, disk } = this.#scene
    disk.blobs.failure = null
    if (this.#restingSinceMs === 0) this.#restingSinceMs = world.nowMs()
    return world.nowMs() - this.#restingSinceMs > REST_MS
  }

  async check(): Promise<void> {
    const { users, disk } = this.#scene
    for (const user of users) for (const to of [GROUP, ...users]) await this.#scene.finish(this.#look(user, to, false).catch(ignoreRefusal))
    const audits = await this.#audit()
    for (const { blobs, carried } of audits) for (const id of blobs.keys()) if (!carried.has(id)) throw new Breach(`nothing carries ${id}, and it is there still`)
    if (audits.length > 1) this.#checkShares(audits)
    const kept = audits.flatMap(({ blobs, homes }) => [...[...blobs.values()], ...[...homes.values()].flat()])
    const named = new Set(kept.flatMap(({ blob }) => objectsOf(blob)))
    for (const object of disk.blobs.objects) if (!named.has(object)) throw new Breach('the store has an object that nothing names')
  }
}

function carriedBy({ extensions }: StoredMessage): string[] {
  return readAttachments(extensions)?.map(({ id }) => id) ?? []
}

/** Who is in none of it finds nothing. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof RouterError)) throw error
}
