/**
 * People who upload, send, keep, delete and show blobs in whatever order, with a server that dies between any two steps and a store that is
 * away at times. Behind every step the disk is audited, and what was promised to somebody is still there.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { encodeAttachments } from '../../../protocol/attachments.js'
import { EMPTY_BYTES } from '../../../protocol/bytes.js'
import { element } from '../../../protocol/element.js'
import { OPERATION } from '../../../protocol/generated/registry.js'
import { MemoryEngine } from '../../../storage/memory-engine.js'
import type { Upload } from '../../blobs/blob-router.js'
import { readNewGroup } from '../../groups/change.js'
import { RouterError } from '../../router/router.js'
import { seeded } from '../../seeded-random.js'
import { blobOf, hashOf, SQUARES } from '../../testing/blob-store.js'
import { type HarnessOptions, ShardHarness, type TestDevice } from '../../testing/shard-harness.js'
import { objectsOf } from '../ledger.js'
import { holdingName } from '../states.js'
import { auditBlobs, BlobBreach } from './audit.js'

const USERS = ['alice', 'bob', 'carol'] as const
const GROUP = '#team'
const CONTENTS = ['one', 'two', 'three', 'four'] as const
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
export const RETENTION_MS = 4 * DAY_MS

interface SentMessage {
  readonly user: string
  readonly conversation: string
  readonly seq: number
  readonly ids: readonly string[]
}

export class BlobLife {
  readonly harness: ShardHarness
  readonly #random: () => number
  readonly #devices = new Map<string, TestDevice>()
  readonly #uploads: { readonly upload: Upload, readonly name: string, readonly isPicture: boolean }[] = []
  /** Until when somebody was promised that it holds a blob, by `user/id`. */
  readonly #held = new Map<string, number>()
  readonly #messages: SentMessage[] = []
  readonly steps: string[] = []
  /** Counts lives: what an earlier one has not said is no promise. */
  #life = 0
  #hasLeft = false
  #fault: unknown = null
  /** Time that passes at present. */
  #passed: Promise<void> = Promise.resolve()
  /** The server dies behind so many commits; 0: not so. */
  #commitsToLive = 0
  /** What was on disk when it died. */
  #diskAtDeath: MemoryEngine | null = null
  #failingCommit: 'none' | 'before' | 'after' = 'none'

  constructor(seed: number, options: Pick<HarnessOptions, 'plant'> = {}) {
    this.#random = seeded(seed)
    this.harness = new ShardHarness({
      ...options,
      limits: { retentionMs: RETENTION_MS, blobQuotaBytes: 6000, deleteAgeMs: 30 * DAY_MS, uploadsMax: 3 },
      beforeCommit: () => { this.#failAt('before') },
      afterCommit: () => {
        this.#failAt('after')
        if (this.#commitsToLive > 0 && --this.#commitsToLive === 0) this.#die()
      },
    })
  }

  #failAt(when: 'before' | 'after'): void {
    if (this.#failingCommit !== when) return
    this.#failingCommit = 'none'
    throw new Error('planted: input/output error')
  }

  /** What it does from now on until somebody looks, nobody will have seen. */
  #die(): void {
    const { harness } = this
    if (!(harness.engine instanceof MemoryEngine)) return
    this.#life++
    this.#diskAtDeath = harness.engine.copy()
    harness.endStore()
  }

  async begin(): Promise<void> {
    await this.harness.addUsers(...USERS)
    await this.#attach()
    const members = USERS.slice(1).map((name) => element('member', { name }))
    await this.harness.router.groups.create('alice', GROUP, readNewGroup(element('group-create', { id: GROUP, edit: 'all' }, ...members), GROUP))
  }

  /** One step, and the audit behind it. Throws BlobBreach. */
  async step(): Promise<void> {
    // It may have died while sessions were opened.
    if (this.#diskAtDeath !== null) await this.#crash()
    this.steps.push(this.#act())
    // Not always all of it: the next step, or a crash, may come in between.
    for (let turns = this.#below(6); turns > 0; turns--) await turn()
    await this.#passed
    if (this.#diskAtDeath !== null || this.#chance(0.12)) await this.#crash()
    else await this.#attach()
    await this.#check()
  }

  /** Everything that may end has ended: what is left is what messages and pictures carry. */
  async end(): Promise<void> {
    if (this.#diskAtDeath !== null) await this.#crash()
    this.harness.blobs.failure = null
    this.#failingCommit = 'none'
    this.#commitsToLive = 0
    await this.harness.pass(3 * DAY_MS)
    const { blobs, carried, erased } = await this.#check()
    for (const id of blobs.keys()) if (!carried.has(id)) throw new BlobBreach(`nothing carries ${id}, and it is there still`)
    if (erased.size > 0) throw new BlobBreach('something is still to be erased')
    const named = new Set([...blobs.values()].flatMap(({ blob }) => objectsOf(blob)))
    for (const object of this.harness.blobs.objects) if (!named.has(object)) throw new BlobBreach('the store has an object that nothing names')
  }

  #act(): string {
    const dice = this.#below(100)
    if (dice < 18) return this.#open()
    if (dice < 36) return this.#finish()
    if (dice < 38) return this.#abandon()
    if (dice < 60) return this.#send()
    if (dice < 66) return this.#delete()
    if (dice < 71) return this.#keep()
    if (dice < 77) return this.#showPicture()
    if (dice < 80) return this.#setTimer()
    if (dice < 82) return this.#storeFails()
    if (dice < 83) return this.#leave()
    if (dice < 85) return this.#failCommit()
    return this.#pass()
  }

  #open(): string {
    const [user, name] = [this.#pick(USERS), this.#pick(CONTENTS)]
    const isPicture = this.#chance(0.4)
    const { harness } = this
    const size = name === 'four' ? 3000 : 1000
    this.#ask(harness.router.blobs?.openUpload(user, { size, hash: hashOf(name), type: 'image/png', strip: false, picture: isPicture }), (opened, askedMs) => {
      if ('blob' in opened) this.#promised(user, hashOf(name), askedMs)
      else this.#uploads.push({ upload: opened.upload, name, isPicture })
    })
    return `${user} opens an upload of ${name}`
  }

  /** What the HTTP side does: name the objects, put them, tell that they are there. */
  #finish(): string {
    const started = this.#uploads.at(-1 - this.#below(3))
    if (started === undefined) return 'nothing'
    const { upload, name, isPicture } = started
    const { router, blobs: store } = this.harness
    const blob = blobOf(name, upload.key, { size: upload.size, ...isPicture ? { renditions: SQUARES } : {} })
    const life = this.#life
    const isDead = (): boolean => life !== this.#life
    const finish = async (): Promise<boolean> => {
      if (await router.blobs?.storing(upload.id, objectsOf(blob)) !== true || isDead()) return false
      for (const object of objectsOf(blob)) {
        await turn()
        if (isDead()) return false
        store.put(object)
      }
      return await router.blobs?.finishUpload(upload.id, blob) !== null
    }
    this.#ask(finish(), (isThere, askedMs) => {
      if (isThere) this.#promised(upload.user, hashOf(name), askedMs)
    })
    return `${upload.user} finishes ${name}`
  }

  #abandon(): string {
    const started = this.#uploads.at(-1)
    if (started === undefined) return 'nothing'
    this.#ask(this.harness.router.blobs?.abandonUpload(started.upload.id), () => undefined)
    return `${started.upload.user} abandons ${started.name}`
  }

  #send(): string {
    const user = this.#pick(USERS)
    const to = this.#pick([...USERS, GROUP])
    // Mostly what it holds, as far as one can know.
    const names = CONTENTS.filter((name) => this.#chance(this.#held.has(holdingName(user, hashOf(name))) ? 0.7 : 0.04))
    const device = this.#devices.get(user)
    if (names.length === 0 || device === undefined) return 'nothing'
    const ids = names.map(hashOf)
    const extensions = encodeAttachments(names.map((name) => ({
      id: hashOf(name), type: 'image/png', size: name === 'four' ? 3000 : 1000, name, width: 0, height: 0, durationMs: 0, placeholder: EMPTY_BYTES,
      thumbnail: false, preview: '', key: EMPTY_BYTES,
    })))
    const clientId = device.send(to, '', undefined, extensions)
    const life = this.#life
    const look = (): void => {
      if (life !== this.#life) return
      const ack = device.acks.find((each) => each.clientId === clientId)
      if (ack !== undefined) this.#messages.push({ user, conversation: to, seq: ack.seq, ids })
      else if (!device.refusals.some((each) => each.clientId === clientId) && device.endedWith === 0) setImmediate(look)
    }
    setImmediate(look)
    return `${user} sends ${names.join(' ')} to ${to}`
  }

  #delete(): string {
    const at = this.#below(this.#messages.length)
    const message = this.#messages[at]
    const device = this.#devices.get(message?.user ?? '')
    if (message === undefined || device === undefined) return 'nothing'
    if (this.#chance(0.8)) this.#messages.splice(at, 1)
    device.operate(message.conversation, message.seq, OPERATION.delete)
    return `${message.user} deletes ${String(message.seq)} of ${message.conversation}`
  }

  #keep(): string {
    const message = this.#messages[this.#below(this.#messages.length)]
    const reader = this.#pick(USERS)
    const id = message?.ids[0]
    if (message === undefined || id === undefined) return 'nothing'
    const address = message.conversation === GROUP ? GROUP : reader === message.user ? message.conversation : message.user
    this.#ask(this.harness.router.blobs?.keep(reader, address, message.seq, id), (_, askedMs) => { this.#promised(reader, id, askedMs) })
    return `${reader} keeps what ${message.user} has sent`
  }

  #showPicture(): string {
    const [user, name] = [this.#pick(USERS), this.#pick(CONTENTS)]
    const picture = this.#chance(0.2) ? '' : hashOf(name)
    const { router } = this.harness
    if (this.#chance(0.5)) this.#ask(router.profiles.changeProfile(user, { picture }), () => undefined)
    else this.#ask(router.groups.change(user, GROUP, { kind: 'info', picture }), () => undefined)
    return `${user} shows ${picture === '' ? 'nothing' : name}`
  }

  #setTimer(): string {
    const [user, to] = [this.#pick(USERS), this.#pick([...USERS, GROUP])]
    this.#ask(this.harness.router.timers.set(user, to, this.#chance(0.5) ? 0 : HOUR_MS), () => undefined)
    return `${user} sets the timer with ${to}`
  }

  #storeFails(): string {
    const { blobs } = this.harness
    blobs.failure = blobs.failure === null ? new Error('the store is away') : null
    return blobs.failure === null ? 'the store is back' : 'the store is away'
  }

  #leave(): string {
    if (this.#hasLeft || !this.#chance(0.3)) return 'nothing'
    this.#hasLeft = true
    for (const name of this.#held.keys()) if (name.startsWith('carol/')) this.#held.delete(name)
    this.#ask(this.harness.router.removeUser('carol'), () => undefined)
    return 'carol is removed'
  }

  #failCommit(): string {
    this.#failingCommit = this.#chance(0.5) ? 'before' : 'after'
    return `the next commit fails ${this.#failingCommit} it is stored`
  }

  #pass(): string {
    const passedMs = this.#chance(0.3) ? this.#below(30) * HOUR_MS : this.#below(7200) * 1000
    if (this.#chance(0.5)) this.#commitsToLive = 1 + this.#below(5)
    this.#passed = this.harness.pass(passedMs)
    return `${String(passedMs / HOUR_MS)} hours pass`
  }

  async #crash(): Promise<void> {
    this.#life++
    this.steps.push(`the server dies${this.#diskAtDeath === null ? '' : ' while time passes'}`)
    this.harness.crash(this.#diskAtDeath ?? this.harness.engine)
    this.#diskAtDeath = null
    this.#commitsToLive = 0
    this.#devices.clear()
    await this.#attach()
  }

  /** Who has no session opens one. */
  async #attach(): Promise<void> {
    for (const user of USERS) {
      if (this.#devices.get(user)?.endedWith === 0) continue
      try {
        this.#devices.set(user, await this.harness.attach(user))
      } catch (error) {
        if (!(error instanceof RouterError)) throw error
        this.#devices.delete(user)
      }
    }
  }

  async #check() {
    if (this.#fault !== null) throw this.#fault as Error
    const { engine, nowMs, blobs: { objects } } = this.harness
    const audit = await auditBlobs(engine, objects)
    for (const [name, untilMs] of this.#held) {
      if (nowMs < untilMs && !audit.holdings.has(name)) throw new BlobBreach(`${name} was promised to be held for longer`)
    }
    return audit
  }

  #promised(user: string, id: string, askedMs: number): void {
    if (user === 'carol' && this.#hasLeft) return
    const name = holdingName(user, id)
    this.#held.set(name, Math.max(this.#held.get(name) ?? 0, askedMs + this.harness.limits.blobHoldMs))
  }

  /** `then` is called with when it was asked: what was promised holds from then on. */
  #ask<T>(asked: Promise<T> | undefined, then: (value: T, askedMs: number) => void): void {
    const life = this.#life
    const { nowMs } = this.harness
    asked?.then((value) => {
      if (life === this.#life) then(value, nowMs)
    }).catch((error: unknown) => {
      if (!(error instanceof RouterError) && life === this.#life) this.#fault ??= error
    })
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #chance(probability: number): boolean {
    return this.#random() < probability
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!
  }
}
