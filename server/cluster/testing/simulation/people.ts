/** Who uses the simulated cluster: a few users with several devices each, that come by any node, talk with each other and in a group. */
import type { Entry, ReadRange } from '../../../../storage/engine.js'
import { slotOf } from '../../../../storage/slots.js'
import { ERROR } from '../../../../protocol/generated/registry.js'
import { isGroup } from '../../../../protocol/address.js'
import { RouterError } from '../../../router/router.js'
import { conversationName } from '../../../shard/conversation-name.js'
import { SimDevice } from '../../../testing/simulation/device.js'
import { checkConversations } from '../../../testing/simulation/end.js'
import { anyChange, OWNER } from '../../../testing/simulation/group-life.js'
import { GROUP } from '../../../testing/simulation/group-oracle.js'
import { anyOperation, OUTBOX_MAX } from '../../../testing/simulation/operation-life.js'
import { Oracle } from '../../../testing/simulation/oracle.js'
import type { EndScene } from '../../../testing/simulation/scene.js'
import { comparePositions } from '../../position.js'
import { readMembership, readState } from '../../shard-rows.js'
import { Pictures } from './pictures.js'
import { Quarrels } from './quarrels.js'
import type { Room } from './room.js'
import { PEOPLE_LIMITS, ServerWork } from './server-work.js'

const USERS = ['ann', 'bob', 'cy'] as const
const VERIFIER = { salt: new Uint8Array(16), iterations: 4096, storedKey: new Uint8Array(32), serverKey: new Uint8Array(32) }
/** A device that hears nothing for so long gives its connection up. */
const PATIENCE_MS = 12_000
/** Before a shard is asked again that took nothing. */
const RETRY_MS = 200

export class People implements EndScene {
  readonly #room: Room
  readonly #shardOf: (slot: number) => number
  readonly oracle: Oracle
  readonly users = USERS
  readonly devices: SimDevice[] = []
  readonly #connectedMs = new Map<SimDevice, number>()
  readonly #quarrels: Quarrels
  readonly pictures: Pictures
  /** Without them a life shows the rest as well, in less time. */
  readonly havePictures: boolean
  readonly finish: EndScene['finish']
  /** Acknowledged messages to conversations that are at home in another shard than who said them. */
  crossed = 0
  #said = 0

  constructor(room: Room, shardOf: (slot: number) => number, finish: EndScene['finish']) {
    this.#room = room
    this.#shardOf = shardOf
    this.finish = finish
    this.oracle = new Oracle(room.world, PEOPLE_LIMITS)
    this.#quarrels = new Quarrels(room, this)
    this.pictures = new Pictures(room, this)
    this.havePictures = room.world.random.chance(0.4)
  }

  homeOf(name: string): number {
    return this.#shardOf(slotOf(name))
  }

  /** Of any node that lives. */
  get server(): ServerWork {
    return this.#room.world.random.pick(this.#works)
  }

  get #works(): ServerWork[] {
    return [...this.#room.machines.values()].flatMap(({ process }) => process?.work instanceof ServerWork && !process.isPaused ? [process.work] : [])
  }

  // ——— Before anything goes wrong ———

  /** Accounts and a group; and the devices begin to come. */
  async begin(): Promise<void> {
    for (const user of USERS) await this.finish(this.server.router.addUser(user, VERIFIER))
    await this.finish(this.server.router.groups.create(OWNER, GROUP, { displayName: 'g', about: '', policy: {}, users: ['bob'] }))
    for (const [i, user] of USERS.entries()) {
      for (let number = 0; number <= i; number++) this.devices.push(new SimDevice(user, `d${String(number)}`, this.oracle))
    }
    for (const device of this.devices) this.#live(device)
  }

  /** Somebody new is at home in the shard: of the users nobody may be, nor any of what they say. Resolves when it has committed that. */
  async register(shard: number): Promise<void> {
    let number = 0
    while (this.homeOf(newcomer(number)) !== shard) number++
    for (;;) {
      try {
        await this.server.router.addUser(newcomer(number), VERIFIER)
        return
      } catch (error) {
        if (!(error instanceof RouterError)) throw error
        // The answer was lost.
        if (error.code === ERROR.conflict) return
        await new Promise<void>((resolve) => { this.#room.world.after(RETRY_MS, resolve) })
      }
    }
  }

  /** Every device has what it was owed, and an answer to all that it said. */
  get isContent(): boolean {
    return this.#quarrels.areOver && this.devices.every(({ connection, outbox, isSyncing }) => connection !== null && !isSyncing && connection.attachment !== null &&
      connection.server.isAlive && connection.isServerOpen && connection.doneAt >= 0 && connection.up.length === 0 && connection.down.length === 0 && outbox.length === 0)
  }

  get areConnected(): boolean {
    return this.devices.every((device) => device.isOnline)
  }

  // ——— What they do ———

  #live(device: SimDevice): void {
    const { world } = this.#room
    world.after(10 + world.random.below(150), () => {
      try {
        this.#act(device)
      } catch (error) {
        this.#room.report(error)
      }
      this.#live(device)
    })
  }

  #act(device: SimDevice): void {
    const { world: { random }, isQuiet } = this.#room
    if (device.connection === null) {
      this.#connect(device)
      return
    }
    for (let left = 1 + random.below(4); left > 0; left--) {
      if (!this.#isPaused(device)) device.moveUp()
      device.moveDown()
    }
    if (this.#isLost(device) || (!isQuiet && random.chance(0.01))) device.cut()
    else if (!isQuiet && random.chance(0.12)) this.#speak(device)
    else if (!isQuiet && random.chance(0.03)) this.#operate(device)
    else if (!isQuiet && this.havePictures && random.chance(0.03)) this.#picture(device)
    else if (!isQuiet && random.chance(0.01)) this.#changeGroup()
    else if (!isQuiet && random.chance(0.01)) this.#quarrel()
  }

  #connect(device: SimDevice): void {
    const works = this.#works
    if (works.length === 0) return
    this.#connectedMs.set(device, this.#room.world.nowMs())
    device.connect(this.#room.world.random.pick(works))
  }

  #isPaused({ connection }: SimDevice): boolean {
    return connection?.server instanceof ServerWork && connection.server.isPaused
  }

  /** It is not let in, or its node sleeps. */
  #isLost(device: SimDevice): boolean {
    const isIn = device.isOnline && !this.#isPaused(device) && (device.connection?.doneAt ?? -1) >= 0
    if (isIn) this.#connectedMs.set(device, this.#room.world.nowMs())
    return this.#room.world.nowMs() - (this.#connectedMs.get(device) ?? 0) > PATIENCE_MS
  }

  #speak(device: SimDevice): void {
    const { world: { random } } = this.#room
    const to = random.pick([...USERS, GROUP])
    const seqs = device.received.get(isGroup(to) ? to : conversationName(device.user, to)) ?? []
    if (random.chance(0.25)) {
      if (seqs.length > 0) device.markRead(to, random.pick(seqs))
    } else if (device.outbox.length < OUTBOX_MAX) {
      const text = `${device.user}/${device.id} says ${String(++this.#said)}`
      device.write(to, text, this.pictures.anyFor(device.user, text))
    }
  }

  /** It edits, takes back or reacts to what it has. */
  #operate(device: SimDevice): void {
    const { world: { random } } = this.#room
    const to = random.pick([...USERS, GROUP])
    const operation = device.outbox.length >= OUTBOX_MAX ? null : anyOperation({ random, nextNumber: () => ++this.#said }, device, to, true)
    if (operation !== null) device.operate(to, operation.kind, operation.target, operation.text)
  }

  #picture(device: SimDevice): void {
    const works = this.#works
    if (works.length > 0) this.pictures.act(device, this.#room.world.random.pick(works), `${device.user}/${device.id} shows ${String(++this.#said)}`)
  }

  #quarrel(): void {
    const works = this.#works
    if (works.length > 0) this.#quarrels.act(this.#room.world.random.pick(works))
  }

  #changeGroup(): void {
    const works = this.#works
    if (works.length === 0) return
    const { author, change } = anyChange(this.#room.world.random, USERS)
    this.#room.world.random.pick(works).router.groups.change(author, GROUP, change).catch((error: unknown) => {
      if (!(error instanceof RouterError)) this.#room.report(error)
    })
  }

  // ——— What is true of it ———

  /** A node has told a device that its message was accepted. */
  acked(outbox: string, clientId: number, from: string, to: string, text: string, seq: number, timeMs: number): Promise<void> {
    if (this.homeOf(from) !== this.homeOf(conversationName(from, to))) this.crossed++
    return this.oracle.acked(outbox, clientId, from, to, text, seq, timeMs, (conversation) => ({ range: (options) => this.#rows(this.homeOf(conversation), options) }))
  }

  /** Of what has come furthest of what members have stored of a shard: it has all that was ever acknowledged. Others may have read what was lost again. */
  async #rows(shard: number, options: ReadRange): Promise<Entry[]> {
    let best = null
    for (const { name, disks } of this.#room.machines.values()) {
      const disk = disks[shard]!.copy()
      const state = await readState(disk)
      if (state === null || state.copy !== null || !(await readMembership(disk)).members.includes(name)) continue
      if (best === null || comparePositions(state.position, best.position) > 0) best = { disk, position: state.position }
    }
    return best?.disk.range(options) ?? []
  }

  /** Exactly once, in order, at every device, as operations have left it; nothing through a block; and pictures for who is shown them. */
  async check(): Promise<void> {
    await this.#quarrels.check()
    await checkConversations(this)
    if (this.havePictures) await this.pictures.check()
  }
}

function newcomer(number: number): string {
  return `new${String(number)}`
}
