/** People who send pictures: they upload, look at what they were sent, keep some of it, while the store of blobs is away now and then. */
import { ERROR, type ErrorCode } from '../../../protocol/generated/registry.js'
import type { BlobCommands } from '../../blobs/blob-router.js'
import type { Audit } from '../../holdings/testing/audit.js'
import { objectsOf } from '../../holdings/merge.js'
import { RouterError, type StoredMessage } from '../../router/router.js'
import { conversationName } from '../../shard/conversation-name.js'
import { Breach } from './breach.js'
import type { SimDevice } from './device.js'
import { auditFiles, checkFilesAtRest } from './file-audit.js'
import { GROUP } from './group-oracle.js'
import { OUTBOX_MAX } from './operation-life.js'
import { carriedBy, upload } from './picture.js'
import { ignore, type Life, type Scene } from './scene.js'

const PICTURES = ['a beach', 'a hill'] as const
const PAGE = 20
/** Longer than holds, uploads, late puts and loans take to end, where the sweep that ends them has just looked. */
const REST_MS = 1_800_000
const PUT_MS_MAX = 20
const PASS_MS = 3000
/** What nobody may be told of a message that it is shown. */
const NOT_FOUND: ReadonlySet<ErrorCode> = new Set([ERROR.noSuchBlob, ERROR.noSuchMessage, ERROR.noSuchConversation])

export class BlobLife implements Life {
  readonly #scene: Scene
  #restingSinceMs = 0
  /** `user picture`: it was begun once, and may have ended since. */
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

  /** A server that dies in the middle does nothing more. */
  async #upload(user: string, picture: string): Promise<void> {
    const { server, disk } = this.#scene
    await upload(this.#blobs, user, picture, ['thumbnail'], async (object) => {
      await this.#time()
      if (server.isAlive) disk.blobs.put(object)
      return server.isAlive
    })
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
  #audit(): Promise<readonly Audit[]> {
    const { disks, disk: { blobs } } = this.#scene
    return auditFiles(disks.map(({ stored }) => stored.copy()), new Set(blobs.objects))
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
    await checkFilesAtRest(await this.#audit(), disk.blobs.objects, (name) => this.#scene.server.homeOf(name))
  }
}

/** Who is in none of it finds nothing. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof RouterError)) throw error
}
