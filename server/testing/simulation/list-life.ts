/**
 * Flags of conversations, contacts and profiles: what was answered survives, versions rise, and devices that were not asked are told
 * of the last one. [PRF-7, PRF-8, PRF-16]
 */
import { LIST } from '../../../protocol/generated/registry.js'
import type { ConversationFlags } from '../../profiles/flags.js'
import { NO_FLAGS } from '../../profiles/flags.js'
import { Breach } from './breach.js'
import { GROUP } from './group-oracle.js'
import type { SimServer } from './server.js'
import { Known, type Life, type Scene } from './scene.js'

const WHOLE = { after: '', since: null, limit: 100 } as const
const NAMES = ['Bobby', 'B.', 'the neighbour'] as const

export class ListLife implements Life {
  readonly #scene: Scene
  /** By user and conversation, user and contact (null: none), and user. */
  readonly #flags = new Map<string, Known<ConversationFlags>>()
  readonly #contacts = new Map<string, Known<string | null>>()
  readonly #names = new Map<string, Known<string>>()
  /** The latest version that anybody was told of each list. */
  readonly #versions = new Map<string, number>()

  constructor(scene: Scene) {
    this.#scene = scene
  }

  act(): string {
    const { random, users, server } = this.#scene
    const user = random.pick(users)
    const other = random.pick(users.filter((each) => each !== user))
    const { profiles } = server.router
    const dice = random.below(10)
    if (dice < 5) {
      const conversation = random.pick([other, GROUP])
      const known = knownOf(this.#flags, `${user} ${conversation}`, NO_FLAGS, isSame)
      if (known.isAsked) return `${user} waits for its flags`
      const change = random.pick([
        { isPinned: random.chance(0.5) }, { isArchived: random.chance(0.5) }, { isMarked: random.chance(0.5) }, { mutedUntilMs: random.below(3) },
      ])
      const asked = profiles.changeFlags(user, conversation, change)
      known.ask(this.#scene, (before) => ({ ...before, ...change }), this.#noting(server, user, LIST.flags, asked.then(({ version }) => version)))
      return `${user} flags ${conversation} ${JSON.stringify(change)}`
    }
    if (dice < 8) {
      const known = knownOf<string | null>(this.#contacts, `${user} ${other}`, null)
      if (known.isAsked) return `${user} waits for its contacts`
      const name = random.chance(0.3) ? null : random.pick(NAMES)
      const asked = name === null ? profiles.removeContact(user, other) : profiles.setContact(user, other, name)
      known.ask(this.#scene, () => name, this.#noting(server, user, LIST.contacts, asked))
      return `${user} calls ${other} ${String(name)}`
    }
    const known = knownOf(this.#names, user, '')
    if (known.isAsked) return `${user} waits for its name`
    const name = random.pick(NAMES)
    known.ask(this.#scene, () => name, profiles.changeProfile(user, { name }))
    return `${user} is called ${name}`
  }

  /** The server died. */
  abandon(): void {
    for (const all of [this.#flags, this.#contacts, this.#names]) for (const known of all.values()) known.abandon()
  }

  /** What was answered before it was asked for is no higher; answers of changes at once come in any order. */
  async #noting(server: SimServer, user: string, list: number, asked: Promise<number>): Promise<void> {
    const key = `${user} ${String(list)}`
    const told = (): number => this.#versions.get(key) ?? 0
    const before = told()
    const version = await asked
    if (!server.isAlive) return
    if (version < before) this.#scene.report(new Breach(`list ${String(list)} of ${user} fell to version ${String(version)}`))
    this.#versions.set(key, Math.max(told(), version))
  }

  async check(): Promise<void> {
    for (const user of this.#scene.users) {
      await this.#checkFlags(user)
      await this.#checkContacts(user)
      const { profiles } = this.#scene.server.router
      const shown = (await this.#scene.finish(profiles.profiles(user, [{ user, version: 0 }])))[0]
      checkOne(this.#names.get(user), shown?.profile?.name ?? '', `the name of ${user}`)
    }
  }

  async #checkFlags(user: string): Promise<void> {
    const { router } = this.#scene.server
    const { items, version } = await this.#scene.finish(router.profiles.flags(user, WHOLE))
    this.#checkVersion(user, LIST.flags, version)
    const { conversations } = await this.#scene.finish(router.conversations(user, '', 100))
    for (const conversation of [...this.#scene.users, GROUP]) {
      const flags = items.find((item) => item.conversation === conversation)?.flags ?? NO_FLAGS
      checkOne(this.#flags.get(`${user} ${conversation}`), flags, `flags of ${user} for ${conversation}`)
      const shown = conversations.find((summary) => summary.conversation === conversation)?.flags
      if (shown !== undefined && !isSame(shown, flags)) throw new Breach(`flags of ${user} for ${conversation} are ${JSON.stringify(flags)} and ${JSON.stringify(shown)}`)
    }
  }

  async #checkContacts(user: string): Promise<void> {
    const { items, version } = await this.#scene.finish(this.#scene.server.router.profiles.contacts(user, WHOLE))
    this.#checkVersion(user, LIST.contacts, version)
    for (const other of this.#scene.users) {
      checkOne(this.#contacts.get(`${user} ${other}`), items.find((item) => item.user === other)?.name ?? null, `contact ${other} of ${user}`)
    }
  }

  #checkVersion(user: string, list: number, version: number): void {
    const told = this.#versions.get(`${user} ${String(list)}`) ?? 0
    if (version < told) throw new Breach(`list ${String(list)} of ${user} has version ${String(version)}, and was told to have ${String(told)}`)
    const devices = this.#scene.devices.filter((device) => device.user === user)
    if (devices.length < 2) return
    for (const device of devices) {
      const known = device.listVersions.get(list) ?? 0
      if (!device.wasReinstalled && !device.wasTooOld && known !== version) {
        throw new Breach(`${user}/${device.id} was told version ${String(known)} of list ${String(list)}, which has ${String(version)}`)
      }
    }
  }
}

function checkOne<T>(known: Known<T> | undefined, value: T, what: string): void {
  if (known !== undefined && !known.possible.some((each) => JSON.stringify(each) === JSON.stringify(value))) {
    throw new Breach(`${what}: ${JSON.stringify(value)} in place of ${JSON.stringify(known.possible)}`)
  }
}

function knownOf<T>(all: Map<string, Known<T>>, key: string, first: T, same?: (one: T, other: T) => boolean): Known<T> {
  let known = all.get(key)
  if (known === undefined) all.set(key, known = new Known(first, same))
  return known
}

function isSame(one: ConversationFlags, other: ConversationFlags): boolean {
  return one.mutedUntilMs === other.mutedUntilMs && one.isArchived === other.isArchived && one.isPinned === other.isPinned && one.isMarked === other.isMarked
}
