/**
 * A client that never gives up: it comes back when its session ends, says again what had no answer, and says anew what was refused for
 * now. It remembers what it was told: what was accepted of it, and what came.
 */
import assert from 'node:assert/strict'
import { FRAME } from '../../protocol/generated/registry.js'
import type { TestDevice } from './shard-harness.js'

/** How it comes: anew, or as it was with what it had of its queue. */
export type Arrival = (before: TestDevice | null, cursor: number) => Promise<TestDevice>

interface Said {
  readonly to: string
  readonly text: string
}

export class Talker {
  readonly user: string
  readonly #arrive: Arrival
  #device: TestDevice | null = null
  #isComing = false
  #cursor = 0
  #nextClientId = 1
  /** Without an answer, by client id, in order. */
  readonly #waiting = new Map<number, Said>()
  /** By the other one: texts of both, by seq: those of its own that were accepted, and those that came. */
  readonly accepted = new Map<string, Map<number, string>>()
  readonly came = new Map<string, [seq: number, text: string][]>()

  constructor(user: string, arrive: Arrival) {
    this.user = user
    this.#arrive = arrive
  }

  /** It is there, and everything that it said has an answer. */
  get isContent(): boolean {
    return this.#device?.endedWith === 0 && !this.#isComing && this.#waiting.size === 0
  }

  say(to: string, text: string): void {
    const clientId = this.#nextClientId++
    this.#waiting.set(clientId, { to, text })
    if (!this.#isComing) this.#device?.send(to, text, clientId)
  }

  /** Takes note of what came, and does what follows from it. */
  look(): void {
    const device = this.#device
    if (device !== null) this.#note(device)
    if (this.#isComing || (device !== null && device.endedWith === 0)) return
    this.#isComing = true
    this.#arrive(device, this.#cursor).then((next) => {
      this.#isComing = false
      this.#device = next
      next.acknowledgesAtOnce = true
      for (const [clientId, { to, text }] of this.#waiting) next.send(to, text, clientId)
    }, () => { this.#isComing = false })
  }

  /** It has had enough. */
  leave(): void {
    this.#device?.detach()
  }

  #note(device: TestDevice): void {
    for (const { clientId, seq } of device.acks.splice(0)) {
      const said = this.#waiting.get(clientId)
      if (said === undefined) continue
      this.#waiting.delete(clientId)
      const accepted = this.accepted.get(said.to) ?? new Map<number, string>()
      assert.ok(!accepted.has(seq), `two messages are number ${String(seq)}`)
      this.accepted.set(said.to, accepted.set(seq, said.text))
    }
    for (const { clientId } of device.refusals.splice(0)) {
      const said = this.#waiting.get(clientId)
      this.#waiting.delete(clientId)
      if (said !== undefined) this.say(said.to, said.text)
    }
    this.#cursor = Math.max(this.#cursor, device.lastIndex)
    for (const frame of device.frames.splice(0)) {
      if (frame.type !== FRAME.delivery) continue
      const { conversation, seq, text } = frame
      this.came.set(conversation, [...this.came.get(conversation) ?? [], [seq, Buffer.from(text).toString()]])
    }
  }
}

/** What each said and was told is accepted came to the other once and in order, and nothing else. */
export function assertHeard(talkers: readonly Talker[]): void {
  for (const { user, accepted } of talkers) {
    for (const other of talkers) {
      const said = [...accepted.get(other.user) ?? []].sort(([one], [two]) => one - two)
      assert.deepEqual(other.came.get(user) ?? [], said, `what ${other.user} heard of ${user}`)
    }
  }
}
