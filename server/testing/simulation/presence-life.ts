/**
 * People who watch each other, hide, and put their phones away. Nobody is told what it may not see; and when all rests, every watcher
 * has been told the truth. [PRS-3, PRS-4, PRS-5, PRS-9, PRS-10]
 */
import { ACTIVITY, PRESENCE } from '../../../protocol/generated/registry.js'
import { AUDIENCES, DEFAULT_PRIVACY, type Privacy } from '../../presence/privacy.js'
import { Breach } from './breach.js'
import type { SimConnection } from './connection.js'
import type { SimDevice } from './device.js'
import { Known, type Life, type Scene } from './scene.js'
import { RENEW_MS } from './sim-shard.js'

/** Beyond which everything that was lost between shards is missed, and asked for anew. */
const MISSED_AFTER_MS = 5 * RENEW_MS

export class PresenceLife implements Life {
  readonly #scene: Scene
  #isResting = false
  #isRested = false
  readonly #privacy = new Map<string, Known<Privacy>>()

  constructor(scene: Scene) {
    this.#scene = scene
    scene.oracle.onPresence = (device, user, isOnline, lastSeenMs) => { this.#told(device, user, isOnline, lastSeenMs) }
  }

  act(): string {
    const { random, devices, users, server } = this.#scene
    const device = random.pick(devices)
    const who = `${device.user}/${device.id}`
    const { connection } = device
    const dice = random.below(10)
    if (dice < 2) return this.#hide(device.user)
    if (connection === null || connection.attachment === null || !connection.isDeviceOpen || connection.server !== server) return `${who} is away`
    const user = random.pick(users)
    if (dice < 6) {
      connection.watched.set(user, connection.watched.get(user) ?? null)
      server.router.watch(connection.attachment, [user])
      return `${who} watches ${user}`
    }
    if (dice < 7) {
      connection.watched.delete(user)
      server.router.unwatch(connection.attachment, [user])
      return `${who} looks away from ${user}`
    }
    connection.isActive = random.chance(0.5)
    server.router.activity(connection.attachment, connection.isActive ? ACTIVITY.active : ACTIVITY.inactive)
    return `${who} is ${connection.isActive ? '' : 'in'}active`
  }

  #hide(user: string): string {
    const { random, server } = this.#scene
    const known = this.#of(user)
    if (known.isAsked) return `${user} waits to hide`
    const change = { seen: random.pick(AUDIENCES), online: random.pick(AUDIENCES), except: ['ann'] }
    known.ask(this.#scene, () => change, server.router.changePrivacy(user, change))
    return `${user} shows itself to ${JSON.stringify(change)}`
  }

  #of(user: string): Known<Privacy> {
    let known = this.#privacy.get(user)
    if (known === undefined) this.#privacy.set(user, known = new Known(DEFAULT_PRIVACY, (one, other) => JSON.stringify(one) === JSON.stringify(other)))
    return known
  }

  abandon(): void {
    for (const known of this.#privacy.values()) known.abandon()
  }

  /** Between shards it may be lost what somebody hides, and what anybody does; that is missed after a while, if nothing else is lost. */
  isAtRest(): boolean {
    if (!this.#isBetweenShards) return true
    if (!this.#isResting) this.#scene.world.after(MISSED_AFTER_MS, () => { this.#isRested = true })
    this.#isResting = true
    return this.#isRested
  }

  get #isBetweenShards(): boolean {
    return this.#scene.disks.length > 1
  }

  /** At any moment: what is certainly not to be seen is not told. */
  #told(device: SimDevice, user: string, isOnline: boolean, lastSeenMs: number): void {
    const { user: viewer } = device
    if ((!isOnline && lastSeenMs === 0) || this.#isBetweenShards) return
    const { blocks } = this.#scene.oracle
    const isBlocked = blocks.of(user, viewer).value === true || blocks.of(viewer, user).value === true
    const hides = (owner: string, setting: 'seen' | 'online', from: string): boolean => {
      const privacy = this.#of(owner).value
      return privacy?.[setting] === 'nobody' || (privacy?.[setting] === 'except' && privacy.except.includes(from))
    }
    const setting = isOnline ? 'online' : 'seen'
    if (viewer !== user && (isBlocked || hides(user, setting, viewer) || hides(viewer, setting, user))) {
      throw new Breach(`${viewer}/${device.id} was told that ${user} ${isOnline ? 'is online' : `was seen at ${String(lastSeenMs)}`}`)
    }
  }

  async check(): Promise<void> {
    for (const device of this.#scene.devices) {
      const { connection } = device
      if (connection?.isActive !== true) continue
      for (const user of connection.watched.keys()) await this.#checkWatch(device, connection, user)
    }
  }

  async #checkWatch(device: SimDevice, connection: SimConnection, user: string): Promise<void> {
    const viewer = device.user
    const isSeen = async (setting: 'seen' | 'online'): Promise<boolean> => await this.#shows(user, viewer, setting) && await this.#shows(viewer, user, setting)
    const isActive = this.#scene.devices.some((each) => each.user === user && each.connection?.isActive === true)
    const isOnline = isActive && await isSeen('online')
    const told = connection.watched.get(user) ?? null
    const what = `${viewer}/${device.id} was told of ${user} ${JSON.stringify(told)}`
    if (told === null || (told.state === PRESENCE.online) !== isOnline) throw new Breach(`${what}, which is ${isOnline ? 'online' : 'offline, or hides that'}`)
    if (told.lastSeenMs > 0 && (isOnline || !await isSeen('seen'))) throw new Breach(`${what}, which hides when it was seen`)
  }

  async #shows(owner: string, viewer: string, setting: 'seen' | 'online'): Promise<boolean> {
    if (owner === viewer) return true
    const { router } = this.#scene.server
    const privacy = await this.#scene.finish(router.privacy(owner))
    if (!this.#of(owner).possible.some((each) => JSON.stringify(each) === JSON.stringify(privacy))) throw new Breach(`what ${owner} hides is lost`)
    if (await this.#scene.finish(router.profiles.isBlocked(owner, viewer))) return false
    switch (privacy[setting]) {
      case 'everybody': return true
      case 'contacts': return this.#scene.finish(router.profiles.isContact(owner, viewer))
      case 'except': return !privacy.except.includes(viewer)
      case 'nobody': return false
    }
  }
}
