/** Many devices that talk to each other for as long as they are told to, and the verdict at the end. */
import assert from 'node:assert/strict'
import { readArchive } from './archive.js'
import { check, type Findings } from './checker.js'
import { PLANTED } from './planted.js'
import { RawDevice, type RawDeviceOptions } from './raw-device.js'
import { type Archive, type DeviceLog, Recorder } from './record.js'
import { seeded } from '../testing/seeded-random.js'
import { until } from './scope.js'

/** Of ten devices six belong to users who have two. */
const SHARE_OF_PAIRS = 0.3
/** Messages of one device without an ack. */
const IN_FLIGHT = 3

export interface Place {
  readonly user: string
  readonly device: string
}

/** Who is there: `count` devices of 0.7 × `count` users. */
export function placesFor(count: number, prefix = 'user'): Place[] {
  const pairs = Math.floor(count * SHARE_OF_PAIRS)
  const places: Place[] = []
  for (let user = 0; places.length < count; user++) {
    places.push({ user: `${prefix}-${user}`, device: 'phone' })
    if (user < pairs && places.length < count) places.push({ user: `${prefix}-${user}`, device: 'tablet' })
  }
  return places
}

export function usersOf(places: readonly Place[]): string[] {
  return [...new Set(places.map(({ user }) => user))]
}

/** Three others, of whom some write back to nobody and some to everybody. */
export function contactsOf(user: string, users: readonly string[]): string[] {
  const at = users.indexOf(user)
  return [...new Set([1, 3, 7].map((step) => users[(at + step) % users.length]!))].filter((name) => name !== user)
}

export interface PopulationOptions {
  readonly places: readonly Place[]
  /** Where each device connects; taken in turn. */
  readonly urls: readonly string[]
  readonly seed: number
  /** Between the ack of a message and the next one, at most. */
  readonly pauseMs?: number
  /** The share of long texts. Default 0.05. */
  readonly paddedShare?: number
  readonly device?: Partial<RawDeviceOptions>
}

export class Population {
  readonly devices: RawDevice[] = []
  readonly recorders: Recorder[] = []
  readonly users: readonly string[]
  readonly random: () => number
  readonly #options: PopulationOptions
  #isTalking = false
  #sent = 0
  acks = 0
  /** By device. */
  readonly acksBy: number[]
  messages = 0

  constructor(options: PopulationOptions) {
    this.#options = options
    this.random = seeded(options.seed)
    this.users = usersOf(options.places)
    this.acksBy = options.places.map(() => 0)
    options.places.forEach(({ user, device }, at) => {
      const recorder = new Recorder(user, device)
      this.recorders.push(recorder)
      const own: RawDevice = new RawDevice({
        ...options.device,
        url: options.urls[at % options.urls.length]!, user, device, recorder, random: this.random,
        onAck: (text, seq) => {
          this.acks++
          this.acksBy[at]!++
          options.device?.onAck?.(text, seq)
          this.#next(own)
        },
        onMessage: (text, seq, extensions) => {
          this.messages++
          options.device?.onMessage?.(text, seq, extensions)
        },
      })
      this.devices.push(own)
    })
  }

  get logs(): readonly DeviceLog[] { return this.recorders }

  /** Connects all and waits until the server knows every device: from then on all of them are owed everything. */
  async connect(): Promise<void> {
    for (const device of this.devices) device.start()
    await this.untilOnline()
  }

  async untilOnline(): Promise<void> {
    await until(() => `${this.devices.filter((device) => !device.isOnline).length} devices to come online`, () => this.devices.every((device) => device.isOnline))
  }

  /** Every device sends, and goes on with each ack, until `fallSilent`. */
  talk(): void {
    this.#isTalking = true
    for (const device of this.devices) for (let count = 0; count < IN_FLIGHT; count++) this.#next(device)
  }

  fallSilent(): void { this.#isTalking = false }

  /** Waits for so many further acks, so that it is under load when something happens. */
  async untilAcked(count: number): Promise<void> {
    const target = this.acks + count
    await until(() => `${target - this.acks} more acks`, () => this.acks >= target)
  }

  /**
   * Waits until all outboxes are empty; then every device comes back once more, so that whatever the server still had for it
   * has to show.
   */
  async settle(): Promise<void> {
    this.fallSilent()
    const unsettled = (): string[] => this.devices.filter((device) => !device.isSettled).map(({ options, isOnline, outboxSize }) => `${options.user}/${options.device} (${isOnline ? 'online' : 'away'}, ${outboxSize} without ack)`)
    await until(() => `${unsettled().join(', ')} to settle`, () => this.devices.every((device) => device.isSettled))
    // What was accepted last may make receipts, and those none: two rounds empty every queue.
    for (let round = 0; round < 2; round++) {
      for (const device of this.devices) {
        device.stop()
        device.start()
      }
      await until('all devices to be back', () => this.devices.every((device) => device.isSettled))
    }
  }

  stop(): void {
    this.fallSilent()
    for (const device of this.devices) device.stop()
  }

  #next(device: RawDevice): void {
    const send = (): void => {
      if (!this.#isTalking) return
      const { user, device: id } = device.options
      const contacts = contactsOf(user, this.users)
      const to = contacts[Math.floor(this.random() * contacts.length)]!
      const padding = this.random() < (this.#options.paddedShare ?? 0.05) ? ' ….'.repeat(150) : ''
      device.send(to, `${user}/${id}#${++this.#sent}${padding}`)
    }
    setTimeout(send, this.random() * (this.#options.pauseMs ?? 60))
  }
}

/** The verdict, with the archive of `users`: throws with all breaches, or where it finds no fault that is planted into the same logs. */
export async function judge(logs: readonly DeviceLog[], url: string, users: readonly string[]): Promise<Findings> {
  return verdict(logs, await readArchive(url, users))
}

/** The same without asking a server. */
export function verdict(logs: readonly DeviceLog[], archive: Archive | null = null): Findings {
  const findings = check(logs, archive)
  assert.deepEqual(findings.breaches, [])
  assert.ok(findings.acknowledged > 0 && findings.received > 0, 'nothing was sent or received: this proves nothing')
  // The first three need only logs with enough in them: lost, doubled, swapped.
  for (const { name, plant, expect } of PLANTED.slice(0, 3)) {
    const { breaches } = check(plant(logs))
    assert.ok(breaches.some((breach) => expect.test(breach)), `the checker does not see ${name}`)
  }
  return findings
}

/** For a person. */
export function summary({ acknowledged, received, receipts }: Findings): string {
  return `${acknowledged} acknowledged messages, ${received} received, ${receipts} receipts: nothing lost, doubled, moved or claimed too early`
}
