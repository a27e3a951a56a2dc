/**
 * What each user must find of a pair when all has come to rest: in the history everything that was acknowledged and is not hidden from
 * it, as operations have left it; on every device what the history shows; in the list of conversations what follows from that.
 */
import { type MessageSource, MessageViews } from '../../../protocol/client/message-views.js'
import type { ConversationSummary, StoredMessage } from '../../router/router.js'
import { RouterError } from '../../router/router.js'
import { conversationName } from '../../shard/conversation-name.js'
import { Breach } from './breach.js'
import { type SimDevice, shownState } from './device.js'
import type { EndScene } from './scene.js'
import { LIMITS } from './server.js'

/** How far the list of conversations looks back for a message behind operations. */
const LOOK_BACK = 16

export class PairEnd {
  readonly #scene: EndScene
  /** No device has lost its state, and with it what only it and the server knew. */
  readonly #isWhole: boolean

  constructor(scene: EndScene) {
    this.#scene = scene
    this.#isWhole = scene.devices.every((device) => !device.wasReinstalled)
  }

  async check(user: string, other: string, summaries: readonly ConversationSummary[]): Promise<void> {
    const name = conversationName(user, other)
    const page = await this.#history(user, other)
    this.#checkHistory(user, name, page)
    for (const device of this.#scene.devices) {
      if (device.user === user && !device.wasReinstalled) this.#checkDevice(device, name, other, page)
    }
    const summary = summaries.find(({ conversation }) => conversation === other)
    if ((summary !== undefined) !== (page.length > 0)) throw new Breach(`${name} is ${summary === undefined ? 'not ' : ''}listed for ${user}, who reads ${String(page.length)} of it`)
    if (summary !== undefined) this.#checkSummary(user, name, summary, page)
  }

  /** All of it; nothing where there is no such conversation for the user. */
  async #history(user: string, other: string): Promise<StoredMessage[]> {
    const all: StoredMessage[] = []
    for (let more = true; more;) {
      const asked = this.#scene.server.router.history(user, other, { after: all.at(-1)?.seq ?? 0, limit: 100 })
      const page = await this.#scene.finish(asked).catch((error: unknown) => {
        if (error instanceof RouterError) return null
        throw error
      })
      if (page === null) return all
      all.push(...page.messages)
      more = page.more
    }
    return all
  }

  #checkHistory(user: string, name: string, page: readonly StoredMessage[]): void {
    const { oracle } = this.#scene
    const { blocks } = oracle
    const seqs = new Set(page.map(({ seq }) => seq))
    const log = oracle.conversations.get(name) ?? new Map<number, { from: string; text: string }>()
    for (const [seq, { from, text }] of log) {
      const isOwed = from === user || blocks.isOwed(user, name, seq)
      if (isOwed && !seqs.has(seq)) throw new Breach(`${user} finds no ${name} ${String(seq)} '${text}'`)
    }
    for (const message of page) {
      const { seq, from, text } = message
      if (from !== user && blocks.isHidden(user, name, seq)) throw new Breach(`${user} finds ${name} ${String(seq)}, which is hidden from it`)
      if (from !== user && message.operation === null) blocks.given(user, Buffer.from(text).toString())
      if (message.operation === null && message.change === null && !blocks.isTouched(name)) this.#checkOutcome(user, name, message)
    }
    const isWhole = !blocks.isTouched(name)
    if (isWhole) oracle.expiry.checkTimers(name, page.map(({ change, operation, ...message }) => ({ ...message, isMessage: change === null && operation === null })))
  }

  /** From the operations alone, by their order. [OPS-5, OPS-7, OPS-9, OPS-12] */
  #checkOutcome(user: string, name: string, { seq, text, present }: StoredMessage): void {
    const { operations } = this.#scene.oracle
    const { isDeleted, edit, reactions } = operations.outcome(name, seq)
    const shown = Buffer.from(text).toString()
    // Whether it may be gone has been looked at where it was handed out.
    if (shown === '' && operations.hasExpiredBy(name, seq, Infinity)) return
    const what = `${user} finds ${name} ${String(seq)} as '${shown}'`
    if (isDeleted !== ((present?.deletedMs ?? 0) > 0) || isDeleted !== (shown === '')) throw new Breach(`${what}, and it was ${isDeleted ? '' : 'not '}deleted`)
    if (isDeleted) return
    if ((edit === null) !== ((present?.editedMs ?? 0) === 0)) throw new Breach(`${what}, and it was edited to '${edit?.text ?? ''}'`)
    if (edit !== null && edit.text !== '' && edit.text !== shown) throw new Breach(`${what}, and it was edited to '${edit.text}'`)
    const given = new Map((present?.reactions ?? []).flatMap(({ emoji, users }) => users.map((each) => [each, emoji])))
    for (const [from, { emoji }] of reactions) {
      if (given.get(from) !== emoji) throw new Breach(`${what} with the reactions ${JSON.stringify([...given])}, and ${from} reacted with '${emoji}'`)
    }
    if (this.#isWhole && given.size !== reactions.size) throw new Breach(`${what} with the reactions ${JSON.stringify([...given])} in place of ${JSON.stringify([...reactions])}`)
  }

  /** Exactly once, in order, at every device; what came live and what history shows are one state; ticks. [OPS-12, OPS-15] */
  #checkDevice(device: SimDevice, name: string, other: string, page: readonly StoredMessage[]): void {
    const who = `${device.user}/${device.id}`
    const { oracle, devices } = this.#scene
    const hasSiblings = devices.some((each) => each !== device && each.user === device.user)
    const received = new Set(device.received.get(name))
    const fresh = new MessageViews(device.user)
    const tail = page.at(-1)?.seq ?? 0
    for (const { seq, from, text, change, operation, present } of page) {
      if (operation !== null) continue
      const shown = Buffer.from(text).toString()
      const own = from === device.user ? oracle.operations.textOf(name, seq) ?? shown : ''
      const isOwnOutbox = own === '' ? from === device.user : own.startsWith(`${who} `)
      if (!received.has(seq) && (hasSiblings || from !== device.user) && !(isOwnOutbox && own === '')) {
        throw new Breach(`${who} never got ${isOwnOutbox ? 'its own ' : ''}${name} ${String(seq)} '${shown}'`)
      }
      received.delete(seq)
      if (from === device.user && other !== device.user) this.#checkTicks(device, name, other, seq)
      if (oracle.blocks.isTouched(name) || change !== null || (shown === '' && oracle.expiry.mayBeGone(name, seq))) continue
      const source: MessageSource = { seq, text: shown, ...shownState(present) }
      fresh.add(source, tail)
      const [mine, truth] = [JSON.stringify(device.view(name).get(seq)), JSON.stringify(fresh.get(seq))]
      if (mine !== 'null' && mine !== truth) throw new Breach(`${who} has ${mine} of ${name} ${String(seq)}, history ${truth}`)
    }
    const stranger = [...received][0]
    if (stranger !== undefined) throw new Breach(`${who} got ${name} ${String(stranger)}, which ${device.user} does not find`)
  }

  #checkTicks(device: SimDevice, name: string, other: string, seq: number): void {
    const { server, oracle } = this.#scene
    // What came from the history moved no watermark, receipts may be among what was missed, and of entries that were trimmed before a
    // lost acknowledgement was made good nobody knows any more what they were. Nor is a blocked user told.
    if (server.limits.queueEntriesMax < LIMITS.queueEntriesMax || oracle.blocks.isTouched(name)) return
    if (device.knownDelivered(other) < seq) throw new Breach(`${device.user}/${device.id} was never told that ${other} has ${name} ${String(seq)}`)
  }

  /** [OPS-12, OPS-14, PRF-14, RCP-2] */
  #checkSummary(user: string, name: string, summary: ConversationSummary, page: readonly StoredMessage[]): void {
    const { oracle } = this.#scene
    const { read, unread, tail, last } = summary
    // What was deleted, and what has expired and was erased, has no text.
    const counted = page.filter(({ seq, from, operation, change, text }) => seq > read && from !== user && operation === null && change === null && text.length > 0).length
    const end = page.at(-1)?.seq ?? 0
    if (unread !== counted || tail !== end) {
      throw new Breach(`${user} in ${name}: ${String(unread)} unread of ${String(tail)}, counted ${String(counted)} of ${String(end)}`)
    }
    const known = oracle.conversations.get(name)?.size ?? 0
    if (!oracle.blocks.isTouched(name) && (tail < known || (this.#isWhole && tail !== known))) {
      throw new Breach(`${user} in ${name}: ${String(tail)} places, ${String(known)} are known`)
    }
    oracle.checkRead(user, name, read)
    const shown = page.slice(-LOOK_BACK).findLast(({ operation }) => operation === null)
    if (shown === undefined) return
    const [told, truth] = [last?.seq === undefined ? '' : textOf(last), textOf(shown)]
    if (last?.seq !== shown.seq || told !== truth) throw new Breach(`${user} in ${name}: the last message is ${told}, and should be ${truth}`)
  }
}

function textOf({ seq, text, present }: StoredMessage): string {
  return `${String(seq)} '${Buffer.from(text).toString()}'${(present?.deletedMs ?? 0) > 0 ? ', deleted' : ''}`
}
