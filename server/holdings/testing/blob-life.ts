/**
 * People who upload, send, keep, delete and show blobs in whatever order, with a server that dies between any two steps and a store that is
 * away at times. Behind every step the disk is audited, and what was promised to somebody is still there.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { encodeAttachments } from '../../../protocol/attachments.js'
import { EMPTY_BYTES } from '../../../protocol/bytes.js'
import { element } from '../../../protocol/element.js'
import { OPERATION } from '../../../protocol/generated/registry.js'
import type { MemoryEngine } from '../../../storage/memory-engine.js'
import type { Upload } from '../../blobs/blob-router.js'
import { readNewGroup } from '../../groups/change.js'
import { RouterError } from '../../router/router.js'
import { seeded } from '../../testing/seeded-random.js'
import { blobOf, hashOf, SQUARES } from '../../testing/blob-store.js'
import type { TestDevice } from '../../testing/shard-harness.js'
import { objectsOf } from '../merge.js'
import { holdingName } from '../states.js'
import { type Audit, BlobBreach } from './audit.js'
import { type LifeServer, type LifeServerOptions, openLifeServer } from './life-server.js'

const USERS = ['alice', 'bob', 'carol'] as const
const GROUP = '#team'
const CONTENTS = ['one', 'two', 'three', 'four'] as const
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const RETENTION_MS = 4 * DAY_MS

interface SentMessage {
  readonly user: string
  readonly conversation: string
  readonly seq: number
  readonly ids: readonly string[]
}

export class BlobLife {
  readonly harness: LifeServer
  readonly #shards: number
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
  /** A shard dies behind so many commits of its own; 0: not so. */
  #commitsToLive = 0
  #mortal = 0
  /** What was on the disks of those that have died when they did. */
  readonly #disksAtDeath = new Map<number, MemoryEngine>()
  #failingCommit: 'none' | 'before' | 'after' = 'none'

  constructor(seed: number, { shards = 1, plant = () => undefined }: Partial<Pick<LifeServerOptions, 'shards' | 'plant'>> = {}) {
    this.#random = seeded(seed)
    this.#shards = shards
    this.harness = openLifeServer({
      shards, plant,
      limits: { retentionMs: RETENTION_MS, blobQuotaBytes: 6000, deleteAgeMs: 30 * DAY_MS, uploadsMax: 3 },
      beforeCommit: (shard) => { this.#failAt('before', shard) },
      afterCommit: (shard) => {
        this.#failAt('after', shard)
        if (shard === this.#mortal && this.#commitsToLive > 0 && --this.#commitsToLive === 0) this.#die(shard)
      },
    })
  }

  #failAt(when: 'before' | 'after', shard: number): void {
    if (this.#failingCommit !== when || shard !== this.#mortal) return
    this.#failingCommit = 'none'
    throw new Error('planted: input/output error')
  }

  /** What it does from now on until somebody looks, nobody will have seen. */
  #die(shard: number): void {
    this.#life++
    this.#disksAtDeath.set(shard, this.harness.die(shard))
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
    if (this.#disksAtDeath.size > 0) await this.#crash()
    this.steps.push(this.#act())
    // Not always all of it: the next step, or a crash, may come in between.
    for (let turns = this.#below(6); turns > 0; turns--) await turn()
    await this.#passed
    if (this.#disksAtDeath.size > 0 || this.#chance(0.12)) await this.#crash()
    else await this.#attach()
    await this.#check()
  }

  /** Nobody waits for anything any more. */
  stop(): void {
    this.#life++
  }

  /** Everything that may end has ended: what is left is what messages and pictures carry. */
  async end(): Promise<void> {
    if (this.#disksAtDeath.size > 0) await this.#crash()
    this.harness.blobs.failure = null
    this.harness.answerLate(0)
    this.#failingCommit = 'none'
    this.#commitsToLive = 0
    await this.harness.pass(3 * DAY_MS)
    const audits = await this.#check()
    const kept = audits.flatMap(({ blobs, homes }) => [...[...blobs.values()], ...[...homes.values()].flat()])
    for (const { blobs, carried, erased } of audits) {
      for (const id of blobs.keys()) if (!carried.has(id)) throw new BlobBreach(`nothing carries ${id}, and it is there still`)
      if (erased.size > 0) throw new BlobBreach('something is still to be erased')
    }
    this.harness.checkAtRest(audits)
    const named = new Set(kept.flatMap(({ blob }) => objectsOf(blob)))
    for (const object of this.harness.blobs.objects) if (!named.has(object)) throw new BlobBreach('the store has an object that nothing names')
  }

  #act(): string {
    if (this.#shards > 1 && this.#chance(0.1)) return this.#answerLate()
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

  #answerLate(): string {
    const ms = this.#chance(0.5) ? 0 : this.#below(1200) * 1000
    this.harness.answerLate(ms)
    return `shards answer within ${String(ms)} ms`
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
    this.#mortal = this.#anyShard()
    this.#failingCommit = this.#chance(0.5) ? 'before' : 'after'
    return `the next commit fails ${this.#failingCommit} it is stored`
  }

  #pass(): string {
    const passedMs = this.#chance(0.3) ? this.#below(30) * HOUR_MS : this.#below(7200) * 1000
    if (this.#chance(0.5)) {
      this.#mortal = this.#anyShard()
      this.#commitsToLive = 1 + this.#below(5)
    }
    this.#passed = this.harness.pass(passedMs)
    return `${String(passedMs / HOUR_MS)} hours pass`
  }

  async #crash(): Promise<void> {
    this.#life++
    const dead = this.#disksAtDeath.size > 0 ? [...this.#disksAtDeath.keys()] : [this.#anyShard()]
    this.steps.push(`${dead.length === this.#shards ? 'the server dies' : `shard ${String(dead)} dies`}${this.#disksAtDeath.size === 0 ? '' : ' while time passes'}`)
    for (const shard of dead) this.harness.crash(shard, this.#disksAtDeath.get(shard))
    this.#disksAtDeath.clear()
    this.#commitsToLive = 0
    if (this.#shards === 1) this.#devices.clear()
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

  async #check(): Promise<readonly Audit[]> {
    if (this.#fault !== null) throw this.#fault as Error
    const { nowMs } = this.harness
    const audits = await this.harness.audit()
    for (const [name, untilMs] of this.#held) {
      if (nowMs < untilMs && !audits.some(({ holdings }) => holdings.has(name))) throw new BlobBreach(`${name} was promised to be held for longer`)
    }
    return audits
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

  #anyShard(): number {
    return this.#shards === 1 ? 0 : this.#below(this.#shards)
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
