/**
 * The judge of every proof: takes what the devices wrote down and says what breaks a promise. It knows nothing of the server, of
 * connections or of time limits; an empty answer means that nothing acknowledged was lost, doubled, moved, made up or claimed too early.
 */
import type { Archive, At, DeviceEvent, DeviceLog } from './record.js'
import { pairOf } from './record.js'

/** Breaches beyond this many are counted alone: the first ones tell what is wrong. */
const REPORTED_MAX = 40

interface Known {
  readonly from: string
  readonly text: string
  readonly timeMs: number
}

interface Sent {
  readonly log: DeviceLog
  readonly to: string
  /** Place in the order of sending; moved by a second try. */
  order: number
  isQueued: boolean
  /** 0: not acknowledged. */
  seq: number
}

/** What `check` counted, so that a proof of nothing can't pass for one. */
export interface Findings {
  readonly breaches: readonly string[]
  readonly acknowledged: number
  readonly received: number
  readonly receipts: number
}

/**
 * Checks all logs against each other and, where it was asked for, the archive. `isComplete`: everything was given time to arrive, so
 * that what is missing is lost. Devices have to exist before the first message is sent. Promises 1, 2, 3 and 5 of the design.
 */
export function check(logs: readonly DeviceLog[], archive: Archive | null = null, isComplete = true): Findings {
  return new Checker(logs).run(archive, isComplete)
}

class Checker {
  readonly #logs: readonly DeviceLog[]
  readonly #breaches: string[] = []
  #count = 0
  readonly #sent = new Map<string, Sent>()
  /** By conversation and seq: one truth for everybody. [MSG-6] */
  readonly #positions = new Map<string, Map<number, Known>>()
  #acknowledged = 0
  #received = 0
  #receipts = 0

  constructor(logs: readonly DeviceLog[]) {
    this.#logs = logs
  }

  run(archive: Archive | null, isComplete: boolean): Findings {
    for (const log of this.#logs) this.#collectSent(log)
    for (const log of this.#logs) this.#checkDevice(log)
    this.#checkPositions()
    const sentBy = new Map<DeviceLog, [string, Sent][]>(this.#logs.map((log) => [log, []]))
    for (const entry of this.#sent) sentBy.get(entry[1].log)!.push(entry)
    for (const sent of sentBy.values()) this.#checkSendingOrder(sent)
    this.#checkReceipts()
    if (isComplete) this.#checkComplete()
    if (archive !== null) this.#checkArchive(archive)
    if (this.#count > REPORTED_MAX) this.#breaches.push(`… and ${this.#count - REPORTED_MAX} more`)
    return { breaches: this.#breaches, acknowledged: this.#acknowledged, received: this.#received, receipts: this.#receipts }
  }

  #breach(text: string): void {
    this.#count++
    if (this.#count <= REPORTED_MAX) this.#breaches.push(text)
  }

  #collectSent(log: DeviceLog): void {
    let order = 0
    for (const event of log.events) {
      if (event.kind === 'send') {
        if (this.#sent.has(event.text)) this.#breach(`the proof itself sent '${event.text}' twice`)
        this.#sent.set(event.text, { log, to: event.to, order: ++order, isQueued: false, seq: 0 })
      } else if (event.kind === 'queued') {
        const sent = this.#sent.get(event.text)
        if (sent !== undefined) sent.isQueued = true
      } else if (event.kind === 'again') {
        const sent = this.#sent.get(event.text)
        // Whether a later one was accepted first is not decided by the order of sending any more.
        if (sent !== undefined) sent.order = NaN
      }
    }
  }

  /** One device by itself: order, repetitions, made-up messages; and what it adds to the common truth. */
  #checkDevice(log: DeviceLog): void {
    const name = `${log.user}/${log.device}`
    const view = new DeviceView()
    for (const event of log.events) {
      switch (event.kind) {
        case 'broken': this.#breach(`${name}: ${event.what}`); break
        case 'start': view.restarted(); break
        case 'ack': this.#acked(name, log, event); break
        case 'message': this.#messageReceived(name, log, view, event); break
        case 'told': {
          const fallen = view.told(event)
          if (fallen > 0) this.#breach(`${name}: ${event.mark} of ${event.member} in ${event.conversation} fell from ${fallen} to ${event.seq}`)
          break
        }
        default:
      }
    }
  }

  #acked(name: string, log: DeviceLog, event: Extract<DeviceEvent, { kind: 'ack' }>): void {
    const sent = this.#sent.get(event.text)
    if (sent === undefined || sent.log !== log || sent.to !== event.to) {
      this.#breach(`${name}: an ack for '${event.text}', which it did not send`)
      return
    }
    if (sent.seq === 0) this.#acknowledged++
    else if (sent.seq !== event.seq) this.#breach(`${name}: '${event.text}' was acknowledged as ${sent.seq} and as ${event.seq}`)
    sent.seq = event.seq
    this.#learn(name, pairOf(log.user, event.to), event.seq, { from: log.user, text: event.text, timeMs: event.timeMs })
  }

  #messageReceived(name: string, log: DeviceLog, view: DeviceView, event: Extract<DeviceEvent, { kind: 'message' }>): void {
    this.#received++
    const sent = this.#sent.get(event.text)
    const fault = view.received(event, sent?.log === log)
    if (fault !== '') this.#breach(`${name}: ${fault}`)
    if (sent === undefined) this.#breach(`${name}: received '${event.text}', which nobody sent`)
    else if (sent.log.user !== event.from) this.#breach(`${name}: '${event.text}' is said to be from ${event.from}`)
    else if (pairOf(sent.log.user, sent.to) !== pairOf(log.user, event.conversation)) {
      this.#breach(`${name}: '${event.text}' turned up in the conversation with ${event.conversation}`)
    }
    this.#learn(name, pairOf(log.user, event.conversation), event.seq, event)
  }

  #learn(name: string, pair: string, seq: number, { from, text, timeMs }: Known): void {
    let positions = this.#positions.get(pair)
    if (positions === undefined) this.#positions.set(pair, positions = new Map<number, Known>())
    const known = positions.get(seq)
    if (known === undefined) positions.set(seq, { from, text, timeMs })
    else if (known.text !== text || known.from !== from) this.#breach(`${name}: ${pair} ${seq} is '${text}' here and '${known.text}' elsewhere`)
    else if (known.timeMs !== timeMs) this.#breach(`${name}: ${pair} ${seq} has the time ${timeMs} here and ${known.timeMs} elsewhere`)
  }

  /** Dense from 1, each text in one place, times that never fall. [MSG-6] [MSG-14] */
  #checkPositions(): void {
    const places = new Map<string, string>()
    for (const [pair, positions] of this.#positions) {
      const seqs = [...positions.keys()].sort((a, b) => a - b)
      let before = 0
      let timeMs = 0
      for (const seq of seqs) {
        const known = positions.get(seq)!
        if (seq !== before + 1) this.#breach(`${pair}: nobody knows ${before + 1}${seq > before + 2 ? ` to ${seq - 1}` : ''}`)
        if (known.timeMs < timeMs) this.#breach(`${pair} ${seq}: its time lies ${timeMs - known.timeMs} ms before that of the one before`)
        const place = places.get(known.text)
        if (place !== undefined) this.#breach(`'${known.text}' is stored twice: as ${place} and as ${pair} ${seq}`)
        places.set(known.text, `${pair} ${seq}`)
        before = seq
        timeMs = known.timeMs
      }
    }
  }

  /** A device's own messages to one conversation lie there in the order in which it sent them. */
  #checkSendingOrder(sent: readonly [string, Sent][]): void {
    const last = new Map<string, { order: number, text: string, seq: number }>()
    const own = sent.filter(([, { seq, order }]) => seq > 0 && !Number.isNaN(order))
    for (const [text, { to, order, seq }] of own.sort(([, a], [, b]) => a.order - b.order)) {
      const before = last.get(to)
      if (before !== undefined && before.seq >= seq) this.#breach(`'${text}' (${seq}) was sent behind '${before.text}' (${before.seq}) and lies before it`)
      last.set(to, { order, text, seq })
    }
  }

  /** Nothing told before it was true. [RCP-1] [RCP-2] [RCP-4] */
  #checkReceipts(): void {
    const delivered = new Reached()
    const read = new Reached()
    for (const { user, events } of this.#logs) {
      for (const event of events) {
        if (event.kind === 'message' && event.from !== user) delivered.add(pairOf(user, event.conversation), user, event.seq, event.at)
        else if (event.kind === 'read') read.add(pairOf(user, event.conversation), user, event.seq, event.at)
      }
    }
    for (const { user, device, events } of this.#logs) {
      for (const event of events) {
        if (event.kind !== 'told') continue
        this.#receipts++
        const pair = pairOf(user, event.conversation)
        const since = Math.min(read.since(pair, event.member, event.seq), event.mark === 'read' ? Infinity : delivered.since(pair, event.member, event.seq))
        if (since > event.at) {
          this.#breach(`${user}/${device}: told that ${event.member} has ${event.mark} ${event.seq} of ${pair}${since === Infinity ? ', which never happened' : ' too early'}`)
        }
      }
    }
  }

  /** What was acknowledged is at every device of both users; what was in a durable outbox has got there, too. */
  #checkComplete(): void {
    const byUser = new Map<string, { log: DeviceLog, texts: Set<string> }[]>()
    for (const log of this.#logs) {
      const texts = new Set<string>()
      for (const event of log.events) if (event.kind === 'message') texts.add(event.text)
      const devices = byUser.get(log.user) ?? []
      devices.push({ log, texts })
      byUser.set(log.user, devices)
    }
    const stored = new Set<string>()
    for (const positions of this.#positions.values()) for (const { text } of positions.values()) stored.add(text)
    for (const [text, sent] of this.#sent) {
      if (sent.isQueued && !stored.has(text)) this.#breach(`'${text}' was in the outbox of ${sent.log.user}/${sent.log.device} and never arrived`)
      // Accepted without an ack that got back is as good as acknowledged: who has seen it once has it for ever.
      if (!stored.has(text)) continue
      for (const user of new Set([sent.log.user, sent.to])) {
        for (const { log, texts } of byUser.get(user) ?? []) {
          if (log !== sent.log && !texts.has(text)) this.#breach(`'${text}'${sent.seq > 0 ? ` (acknowledged as ${sent.seq})` : ''} is missing at ${log.user}/${log.device}`)
        }
      }
    }
  }

  /** The archive of each user is what everybody saw, no more and no less. Promise 4. */
  #checkArchive(archive: Archive): void {
    for (const [user, conversations] of archive) {
      for (const [conversation, messages] of conversations) {
        const pair = pairOf(user, conversation)
        const positions = this.#positions.get(pair)
        messages.forEach((message, at) => {
          if (message.seq !== at + 1) this.#breach(`the archive of ${pair} for ${user} has ${message.seq} in place ${at + 1}`)
          this.#learn(`the archive for ${user}`, pair, message.seq, message)
          if (!this.#sent.has(message.text)) this.#breach(`the archive of ${pair} has '${message.text}', which nobody sent`)
        })
        if (messages.length < (positions?.size ?? 0)) this.#breach(`the archive of ${pair} for ${user} ends at ${messages.length} of ${positions?.size ?? 0}`)
      }
    }
    for (const pair of this.#positions.keys()) {
      for (const user of pair.split(':')) {
        const other = pair.split(':').find((name) => name !== user) ?? user
        if (archive.has(user) && !archive.get(user)!.has(other)) this.#breach(`the archive for ${user} does not know the conversation with ${other}`)
      }
    }
  }
}

/** Where one device stands in its queue and its conversations. */
class DeviceView {
  #lastIndex = 0
  readonly #byIndex = new Map<number, string>()
  readonly #lastSeqs = new Map<string, number>()
  readonly #seen = new Set<string>()
  readonly #marks = new Map<string, number>()
  /** Since a restart: the index from which entries may come again until something new has come. */
  #mayRepeat = false

  restarted(): void {
    this.#mayRepeat = true
    // What was shown and not stored may be shown again on the way up.
    this.#marks.clear()
  }

  /** '' or what is wrong. `isOwn`: this very device sent it. */
  received(event: Extract<DeviceEvent, { kind: 'message' }>, isOwn: boolean): string {
    const { index, conversation, seq, text } = event
    const place = `${conversation} ${seq}`
    if (index > 0 && index <= this.#lastIndex) {
      if (!this.#mayRepeat) return `entry ${index} ('${text}') came after entry ${this.#lastIndex}`
      // Its ack was not stored before the kill: then it was known by the ack alone, now by the entry. [MSG-18]
      if (isOwn && !this.#byIndex.has(index) && !this.#seen.has(place)) {
        this.#byIndex.set(index, `${place} ${text}`)
        this.#seen.add(place)
        return ''
      }
      return this.#byIndex.get(index) === `${place} ${text}` ? '' : `entry ${index} came again with '${text}', another content`
    }
    this.#mayRepeat = false
    if (index > 0) {
      this.#lastIndex = index
      this.#byIndex.set(index, `${place} ${text}`)
    }
    if (this.#seen.has(place)) return `${place} ('${text}') came twice`
    this.#seen.add(place)
    const before = this.#lastSeqs.get(conversation) ?? 0
    if (seq <= before) return `${place} ('${text}') came after ${before}`
    this.#lastSeqs.set(conversation, seq)
    return ''
  }

  /** The watermark told before, if this one lies below it; else 0. */
  told(event: Extract<DeviceEvent, { kind: 'told' }>): number {
    const key = `${event.conversation} ${event.member} ${event.mark}`
    const before = this.#marks.get(key) ?? 0
    if (event.seq < before) return before
    this.#marks.set(key, event.seq)
    return 0
  }
}

/** When a member first stood at a seq or beyond. */
class Reached {
  readonly #byMember = new Map<string, { seq: number, at: At }[]>()
  #isSorted = false

  add(pair: string, member: string, seq: number, at: At): void {
    const key = `${pair} ${member}`
    const steps = this.#byMember.get(key)
    if (steps === undefined) this.#byMember.set(key, [{ seq, at }])
    else steps.push({ seq, at })
  }

  since(pair: string, member: string, seq: number): At {
    if (!this.#isSorted) this.#sort()
    const steps = this.#byMember.get(`${pair} ${member}`) ?? []
    let low = 0
    let high = steps.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (steps[middle]!.seq >= seq) high = middle
      else low = middle + 1
    }
    return steps[low]?.at ?? Infinity
  }

  /** In order of time, with the highest seq so far. */
  #sort(): void {
    this.#isSorted = true
    for (const [key, steps] of this.#byMember) {
      let highest = 0
      this.#byMember.set(key, steps.sort((a, b) => a.at - b.at).map(({ seq, at }) => ({ seq: highest = Math.max(highest, seq), at })))
    }
  }
}
