/** People who let what they write disappear: they turn timers on and off, let time go by, and look at what is left. */
import { expiryOf } from '../../../protocol/expiry.js'
import type { StoredMessage } from '../../router/router.js'
import { RouterError } from '../../router/router.js'
import { conversationName } from '../../shard/conversation-name.js'
import { timerElement } from '../../expiry/timer.js'
import { changeText, GROUP } from './group-oracle.js'
import type { Life, Scene } from './scene.js'

/** The last is one that nothing outlives here. */
const TIMERS_MS = [5000, 8000, 3_600_000] as const
const PASS_MS = 8000
const PAGE = 20

export class ExpiryLife implements Life {
  readonly #scene: Scene
  #restingSinceMs = 0

  constructor(scene: Scene) {
    this.#scene = scene
  }

  act(): string {
    const { random, world, users } = this.#scene
    const dice = random.below(100)
    if (dice < 35) {
      const passedMs = random.below(PASS_MS)
      world.passTime(passedMs)
      return `${String(passedMs)} ms pass`
    }
    const user = random.pick(users)
    const to = random.pick([GROUP, ...users])
    return dice < 65 ? this.#setTimer(user, to) : this.#look(user, to)
  }

  #setTimer(user: string, to: string): string {
    const { random, server, oracle } = this.#scene
    const afterMs = random.chance(0.2) ? 0 : random.pick(TIMERS_MS)
    const name = conversationName(user, to)
    this.#ask(server.router.timers.set(user, to, afterMs).then((seq) => {
      if (seq === 0 || !server.isAlive) return
      const change = timerElement(afterMs)
      oracle.received(user, { conversation: name, from: user, seq, text: changeText(change) })
      oracle.expiry.changed(name, seq, change)
    }))
    return `${user} sets the timer of ${name} to ${String(afterMs)}`
  }

  /** What is gone by now must not be shown, wherever one looks. [DIS-3] */
  #look(user: string, to: string): string {
    const { server, random } = this.#scene
    const askedMs = this.#scene.world.nowMs()
    if (random.chance(0.3)) {
      this.#ask(server.router.conversations(user, '', 100).then(({ conversations }) => {
        for (const { conversation, last } of conversations) if (last !== null) this.#checkShown(user, conversationName(user, conversation), last, askedMs)
      }))
      return `${user} looks at its conversations`
    }
    const name = conversationName(user, to)
    this.#ask(server.router.history(user, to, { limit: PAGE }).then(({ messages }) => {
      for (const message of messages) this.#checkShown(user, name, message, askedMs)
    }))
    return `${user} looks at ${name}`
  }

  #checkShown(user: string, name: string, { seq, text, change, operation, present, extensions }: StoredMessage, askedMs: number): void {
    const { expiry } = this.#scene.oracle
    if (change !== null) return
    const target = operation?.target ?? seq
    if (operation === null) expiry.told(name, seq, expiryOf(extensions))
    const shown = [Buffer.from(text).toString(), ...present?.reactions.map(({ emoji }) => emoji) ?? []].join(' ').trim()
    expiry.given(user, name, target, shown, askedMs)
    if (operation === null && text.length === 0) expiry.withheld(user, name, seq)
  }

  /** Until everything that has expired has had the time to be erased, and nothing more is about to. */
  isAtRest(): boolean {
    const { world, server, oracle } = this.#scene
    const nowMs = world.nowMs()
    if (this.#restingSinceMs === 0) this.#restingSinceMs = nowMs
    const spanMs = 3 * server.limits.expirySweepMs
    return nowMs - this.#restingSinceMs > spanMs && !oracle.expiry.hasWithin(nowMs - spanMs, nowMs + spanMs)
  }

  async check(): Promise<void> {
    for (const { stored } of this.#scene.disks) await this.#scene.oracle.expiry.checkDisk(stored)
  }

  #ask(asked: Promise<void>): void {
    const { server } = this.#scene
    asked.catch((error: unknown) => {
      if (!(error instanceof RouterError) && server.isAlive) this.#scene.report(error)
    })
  }
}
