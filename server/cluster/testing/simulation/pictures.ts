/**
 * People who upload pictures, show them, hand on what they were shown, and put them up for themselves and for the group, at whatever node they
 * have; and what has to be true of it: what a message shows can be fetched by who is shown it and by nobody else, and what nothing carries goes.
 */
import { ERROR } from '../../../../protocol/generated/registry.js'
import { isGroup } from '../../../../protocol/address.js'
import type { BlobCommands, BlobPlace } from '../../../blobs/blob-router.js'
import { objectsOf } from '../../../holdings/merge.js'
import { RouterError, type StoredMessage } from '../../../router/router.js'
import { conversationName } from '../../../shard/conversation-name.js'
import { hashOf, SQUARES, TestBlobStore } from '../../../testing/blob-store.js'
import { Breach } from '../../../testing/simulation/breach.js'
import type { SimDevice } from '../../../testing/simulation/device.js'
import { auditFiles, checkFilesAtRest } from '../../../testing/simulation/file-audit.js'
import { OWNER } from '../../../testing/simulation/group-life.js'
import { GROUP } from '../../../testing/simulation/group-oracle.js'
import { OUTBOX_MAX } from '../../../testing/simulation/operation-life.js'
import { carriedBy, upload } from '../../../testing/simulation/picture.js'
import type { EndScene } from '../../../testing/simulation/scene.js'
import type { Room } from './room.js'
import { ServerWork } from './server-work.js'

/** Those that everybody has, and others, which go again soon. */
const COMMON = ['a beach', 'a hill'] as const
const PICTURES = [...COMMON, 'a lake', 'a tree', 'a cloud', 'a cat', 'a dog', 'a goat'] as const
/** Of what people say, and have a picture for. */
const WITH_PICTURE = 0.4
const PAGE = 20
/** How long the store of files is away at most. */
const AWAY_MS = 2000
const HISTORY_PAGE = 100
/** What is fetched may have been stored anew meanwhile, and what was there before erased. */
const FETCHES = 3

export interface PicturesScene extends EndScene {
  homeOf(name: string): number
}

export class Pictures {
  readonly store = new TestBlobStore()
  readonly #room: Room
  readonly #scene: PicturesScene
  /** `user picture`: it was begun once, and may have ended since. */
  readonly #uploaded = new Set<string>()
  /** Which picture a message carries, by its text. */
  readonly #shown = new Map<string, string>()
  /** Messages with a picture that were fetched, or handed on. */
  looked = 0

  constructor(room: Room, scene: PicturesScene) {
    this.#room = room
    this.#scene = scene
  }

  /** How many messages with a picture were acknowledged. */
  get shown(): number {
    const { conversations } = this.#scene.oracle
    return [...conversations.values()].flatMap((log) => [...log.values()]).filter(({ text }) => this.#shown.has(text)).length
  }

  // ——— What they do ———

  /** `text` would say who shows something. */
  act(device: SimDevice, work: ServerWork, text: string): void {
    const { random } = this.#room.world
    const picture = random.pick(random.chance(0.5) ? COMMON : PICTURES)
    const dice = random.below(100)
    if (dice < 30) this.#begin(this.#show(work, device, picture, this.#anybody(), text))
    else if (dice < 42) this.#takeBack(device)
    else if (dice < 60) this.#begin(this.#handOn(work, device, text))
    else if (dice < 75) this.#begin(this.#look(work, device.user, this.#anybody(), false))
    else if (dice < 80) this.#begin(this.#lookForDeleted(work, device))
    else if (dice < 87) this.#begin(this.#putUp(work, device.user, picture, (id) => work.router.profiles.changeProfile(device.user, { picture: id })))
    else if (dice < 94) this.#begin(this.#putUp(work, OWNER, picture, (id) => work.router.groups.change(OWNER, GROUP, { kind: 'info', picture: id })))
    else if (dice < 96) this.#takeStore()
    else this.#begin(this.#audit())
  }

  /** What goes with a text that somebody says: now and then a picture that it has, or had. */
  anyFor(user: string, text: string): string {
    const { random } = this.#room.world
    const own = PICTURES.filter((picture) => this.#uploaded.has(`${user} ${picture}`))
    if (own.length === 0 || !random.chance(WITH_PICTURE)) return ''
    const picture = random.pick(own)
    this.#shown.set(text, picture)
    return picture
  }

  /** For a while. */
  #takeStore(): void {
    const { world } = this.#room
    const { store } = this
    this.#room.note('the store of files is away for a while')
    store.failure = new Error('simulated: the store of files is away')
    world.after(world.random.below(AWAY_MS), () => { store.failure = null })
  }

  #anybody(): string {
    return this.#room.world.random.pick([GROUP, ...this.#scene.users])
  }

  /** What can't be done at present is left. */
  #begin(doing: Promise<unknown>): void {
    doing.catch((error: unknown) => { if (!(error instanceof RouterError)) this.#room.report(error) })
  }

  async #show(work: ServerWork, device: SimDevice, picture: string, to: string, text: string): Promise<void> {
    await this.#have(work, device.user, picture)
    this.#write(device, to, text, picture)
  }

  #write(device: SimDevice, to: string, text: string, picture: string): void {
    if (this.#room.isQuiet || device.outbox.length >= OUTBOX_MAX) return
    this.#shown.set(text, picture)
    device.write(to, text, picture)
  }

  /** Uploads it, where that has not been done; sometimes nobody looks whether it is there still. */
  async #have(work: ServerWork, user: string, picture: string): Promise<void> {
    const { random } = this.#room.world
    const name = `${user} ${picture}`
    if (this.#uploaded.has(name)) {
      if (random.chance(0.3)) this.#uploaded.delete(name)
      return
    }
    // Some uploads never come to their end.
    const isGivenUp = random.chance(0.1)
    await upload(work.blobs, user, picture, SQUARES, (object) => isGivenUp && random.chance(0.3) ? Promise.resolve(false) : work.files.put(object))
    this.#uploaded.add(name)
  }

  #takeBack(device: SimDevice): void {
    const to = this.#anybody()
    const name = conversationName(device.user, to)
    const own = (device.ownSeqs.get(name) ?? []).filter((seq) => this.#carried(name, seq) !== '')
    if (own.length > 0 && device.outbox.length < OUTBOX_MAX) device.operate(to, 'delete', this.#room.world.random.pick(own), '')
  }

  /** Keeps what it was shown, and shows it to somebody else. [BLB-15] */
  async #handOn(work: ServerWork, device: SimDevice, text: string): Promise<void> {
    const to = this.#anybody()
    const [id] = await this.#look(work, device.user, this.#anybody(), true)
    const picture = PICTURES.find((each) => hashOf(each) === id)
    if (picture !== undefined) this.#write(device, to, text, picture)
  }

  async #putUp(work: ServerWork, user: string, picture: string, change: (id: string) => Promise<unknown>): Promise<void> {
    const isTakenDown = this.#room.world.random.chance(0.2)
    if (!isTakenDown) await this.#have(work, user, picture)
    if (!this.#room.isQuiet) await change(isTakenDown ? '' : hashOf(picture))
  }

  // ——— What is true at any time ———

  /** What messages show is there for who is shown them. Returns the ids of what was found. [BLB-13] [BLB-16] */
  async #look(work: ServerWork, user: string, to: string, keeps: boolean): Promise<string[]> {
    const found: string[] = []
    const { messages } = await work.router.history(user, to, { limit: PAGE })
    for (const { seq, id } of placesOf(messages)) {
      const fault = await this.#faultOf(work.blobs, user, to, seq, id, keeps)
      // It may be deleted, and erased, before it is fetched.
      if (fault !== '' && await isShown(work, user, to, seq, id)) throw new Breach(`${user} is shown ${to} ${String(seq)}, and ${fault}`)
      if (fault === '') found.push(id)
    }
    this.looked += found.length
    return found
  }

  /** '': none. */
  async #faultOf(blobs: BlobCommands, user: string, to: string, seq: number, id: string, keeps: boolean): Promise<string> {
    try {
      if (keeps) await blobs.keep(user, to, seq, id)
      else await blobs.find(user, { kind: 'message', conversation: to, seq, id })
      return await this.#isFetched(blobs, id) ? '' : `what it carries is not in the store: ${id}`
    } catch (error) {
      // Who is a member of the group may have changed meanwhile, and again.
      const isFault = error instanceof RouterError && (error.code === ERROR.noSuchBlob || (error.code === ERROR.noSuchMessage && !isGroup(to)))
      if (isFault) return `does not find ${id}: ${error.message}`
      throw error
    }
  }

  async #isFetched(blobs: BlobCommands, id: string): Promise<boolean> {
    for (let left = FETCHES; left > 0; left--) {
      const blob = await blobs.blob(id)
      if (blob !== null && objectsOf(blob).every((object) => this.store.objects.has(object))) return true
    }
    return false
  }

  /** Nobody finds what a deleted message carried. [BLB-16] */
  async #lookForDeleted(work: ServerWork, { user, received }: SimDevice): Promise<void> {
    const { operations } = this.#scene.oracle
    const to = this.#anybody()
    const name = conversationName(user, to)
    const deleted = (received.get(name) ?? []).filter((seq) => operations.isDeleted(name, seq) && this.#carried(name, seq) !== '')
    if (deleted.length === 0) return
    const seq = this.#room.world.random.pick(deleted)
    if (await isFound(work, user, { kind: 'message', conversation: to, seq, id: this.#carried(name, seq) })) {
      throw new Breach(`${user} finds what ${name} ${String(seq)} carried, which was deleted`)
    }
  }

  /** The id of what the message has carried; '': nothing. */
  #carried(conversation: string, seq: number): string {
    const picture = this.#shown.get(this.#scene.oracle.operations.textOf(conversation, seq) ?? '')
    return picture === undefined ? '' : hashOf(picture)
  }

  /** Of what owners have on their disks, where each shard has one. */
  async #audit(): Promise<void> {
    const disks = this.#disks()
    if (disks !== null) await auditFiles(disks, new Set(this.store.objects))
  }

  /** As they are now; null: there is a shard without an owner, or with one that does not know yet that it has lost it. */
  #disks() {
    const machines = [...this.#room.machines.values()]
    const disks = [...this.#room.servers.keys()].map((shard) => {
      const [owner, ...others] = machines.filter(({ process }) => process?.work?.isOwner(shard) === true)
      return owner === undefined || others.length > 0 ? null : owner.disks[shard]!.copy()
    })
    return disks.every((disk) => disk !== null) ? disks : null
  }

  // ——— What is true at rest ———

  /** Who is shown something finds it, and nobody else does. [BLB-2] [BLB-16] [BLB-17] */
  async check(): Promise<void> {
    const { users, server, finish } = this.#scene
    if (!(server instanceof ServerWork)) return
    const conversations = new Map<string, string[]>()
    for (const user of users) for (const to of [GROUP, ...users]) conversations.set(conversationName(user, to), isGroup(to) ? [...users] : [...new Set([user, to])])
    const checks = [...conversations].map(([name, readers]) => this.#checkMessages(server, name, readers))
    await finish(Promise.all([...checks, ...users.map((user) => this.#checkPictures(server, user))]))
  }

  async #checkMessages(work: ServerWork, name: string, readers: readonly string[]): Promise<void> {
    const addressOf = (user: string): string => isGroup(name) ? name : readers.find((other) => other !== user) ?? user
    const shown = await Promise.all(readers.map(async (user) => placesOf(await historyOf(work, user, addressOf(user)))))
    const all = new Map(shown.flat().map((place) => [JSON.stringify(place), place]))
    for (const [at, user] of readers.entries()) {
      const own = new Set(shown[at]?.map((place) => JSON.stringify(place)))
      for (const [key, { seq, id }] of all) {
        const isThere = await isFound(work, user, { kind: 'message', conversation: addressOf(user), seq, id })
        if (isThere !== own.has(key)) throw new Breach(`${user} ${isThere ? 'finds' : 'does not find'} what ${name} ${String(seq)} carries, and is ${isThere ? 'not ' : ''}shown it`)
        if (isThere && !await this.#isFetched(work.blobs, id)) throw new Breach(`what ${name} ${String(seq)} carries is not in the store: ${id}`)
      }
    }
  }

  async #checkPictures(work: ServerWork, user: string): Promise<void> {
    const { users, oracle } = this.#scene
    const details = await orNull(work.router.groups.details(user, GROUP, null))
    const hasGroup = details !== null && details.picture !== '' && details.inside !== null
    if (await isFound(work, user, { kind: 'group', group: GROUP }) !== hasGroup) throw new Breach(`${user} ${hasGroup ? 'does not find' : 'finds'} the picture of the group`)
    const profiles = await work.router.profiles.profiles(user, users.map((each) => ({ user: each, version: 0 })))
    for (const [at, owner] of users.entries()) {
      const isHidden = owner !== user && oracle.blocks.of(owner, user).value === true
      const isThere = await isFound(work, user, { kind: 'profile', user: owner })
      const hasPicture = (profiles[at]?.profile?.picture ?? '') !== ''
      if (isThere && isHidden) throw new Breach(`${user} finds the picture of ${owner}, who has blocked it`)
      if (isThere !== hasPicture) throw new Breach(`${user} ${isThere ? 'finds' : 'does not find'} the picture of ${owner}, and is ${hasPicture ? '' : 'not '}shown one`)
    }
  }

  /** When all that ends by its time has ended: nothing is left but what is carried, and all shards agree. */
  async checkStored(): Promise<void> {
    const disks = this.#disks()
    if (disks === null) throw new Breach('a shard has no owner')
    const { objects } = this.store
    await checkFilesAtRest(await auditFiles(disks, objects), objects, (name) => this.#scene.homeOf(name))
  }
}

interface Place {
  readonly seq: number
  readonly id: string
}

function placesOf(messages: readonly StoredMessage[]): Place[] {
  return messages.flatMap((message) => carriedBy(message).map((id) => ({ seq: message.seq, id })))
}

async function isShown({ router }: ServerWork, user: string, to: string, seq: number, id: string): Promise<boolean> {
  const { messages } = await router.history(user, to, { after: seq - 1, limit: 1 })
  return placesOf(messages).some((place) => place.seq === seq && place.id === id)
}

/** All of it; nothing where there is no such conversation for the user. */
async function historyOf({ router }: ServerWork, user: string, to: string): Promise<StoredMessage[]> {
  const all: StoredMessage[] = []
  for (let more = true; more;) {
    const page = await orNull(router.history(user, to, { after: all.at(-1)?.seq ?? 0, limit: HISTORY_PAGE }))
    if (page === null) return all
    all.push(...page.messages)
    more = page.more
  }
  return all
}

async function isFound({ blobs }: ServerWork, user: string, place: BlobPlace): Promise<boolean> {
  return await orNull(blobs.find(user, place)) !== null
}

/** null: it was refused. Who can't be asked at present is no answer. */
async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof RouterError && error.code !== ERROR.unavailable) return null
    throw error
  }
}
