/**
 * What must be true of blocking: what was written during a block never reaches the blocker; what was written before or after it does;
 * the blocked one is answered as ever, and is told nothing that was received or read meanwhile. When a block takes its place in the
 * conversation nobody outside sees, so what was under way at that moment may have come to lie on either side of it.
 */
import { Breach } from './breach.js'
import { Known } from './scene.js'

interface Arrival {
  readonly received: number
  readonly sent: number
}

export class BlockOracle {
  /** By blocker and blocked. */
  readonly #blocks = new Map<string, Known<boolean>>()
  /** State at the first arrival of each stanza, by outbox and client id. */
  readonly #arrivals = new Map<string, Arrival>()
  /** By who is not to see them: texts, and seqs of pairs. */
  readonly #hidden = new Map<string, Set<string>>()
  readonly #owed = new Map<string, Set<string>>()
  readonly #given = new Map<string, Set<string>>()
  readonly #refused = new Set<string>()
  /** What a blocker had stored when the block began. */
  readonly #caps = new Map<string, number>()
  readonly #touched = new Set<string>()

  of(owner: string, other: string): Known<boolean> {
    let known = this.#blocks.get(`${owner} ${other}`)
    if (known === undefined) this.#blocks.set(`${owner} ${other}`, known = new Known(false))
    return known
  }

  abandon(): void {
    for (const known of this.#blocks.values()) known.abandon()
  }

  asked(owner: string, other: string): void {
    this.#touched.add([owner, other].sort().join(':'))
  }

  /** The block is in force; `stored` is the highest seq of the pair that the blocker has. */
  began(owner: string, other: string, stored: number): void {
    this.#caps.set(`${owner} ${other}`, stored)
  }

  /** Whether there ever was a block between the two. */
  isTouched(pair: string): boolean {
    return this.#touched.has(pair)
  }

  /** A stanza has reached a server. */
  arrived(stanza: string, from: string, to: string): void {
    if (!this.#arrivals.has(stanza)) this.#arrivals.set(stanza, { received: this.of(to, from).version, sent: this.of(from, to).version })
  }

  /** `isOwn`: it was done to a message of its own. [PRF-10, PRF-11, PRF-13] */
  acked(stanza: string, from: string, to: string, pair: string, seq: number, text: string, isOwn = false): void {
    const arrival = this.#arrivals.get(stanza)
    if (arrival === undefined || from === to) return
    const [receives, sends] = [this.of(to, from), this.of(from, to)]
    if (!isOwn && sends.version === arrival.sent && sends.value === true) throw new Breach(`${from} could write to ${to}, whom it has blocked`)
    if (receives.version !== arrival.received || receives.value === null) return
    if (!receives.value) {
      set(this.#owed, to).add(`${pair} ${String(seq)}`)
      return
    }
    if (set(this.#owed, to).has(`${pair} ${String(seq)}`)) return
    set(this.#hidden, to).add(`${pair} ${String(seq)}`)
    if (text === '') return
    set(this.#hidden, to).add(text)
    if (set(this.#given, to).has(text)) throw shown(to, text)
  }

  /** A server has refused to take it, since its sender has blocked the other. */
  refused(stanza: string, from: string, to: string): void {
    const known = this.of(from, to)
    if (known.version === this.#arrivals.get(stanza)?.sent && known.value === false) throw new Breach(`${from} was refused to write to ${to}, whom it has not blocked`)
  }

  /** Its sender knows that, and has given it up. */
  abandoned(text: string): void {
    this.#refused.add(text)
  }

  /** The user has been shown a text by another. */
  given(user: string, text: string): void {
    if (this.#refused.has(text)) throw new Breach(`'${text}' was refused, and reached ${user}`)
    if (set(this.#hidden, user).has(text)) throw shown(user, text)
    if (text !== '') set(this.#given, user).add(text)
  }

  /** A watermark of `member` was told to the other of the pair. [PRF-12] */
  told(pair: string, member: string, seq: number): void {
    const other = pair.split(':').find((name) => name !== member)
    if (other === undefined) return
    if (this.isHidden(member, pair, seq)) throw new Breach(`${other} was told that ${member} has ${pair} ${String(seq)}, which is hidden from it`)
    const cap = this.#caps.get(`${member} ${other}`) ?? 0
    if (this.of(member, other).value === true && seq > cap) {
      throw new Breach(`${other} was told that ${member}, who has blocked it, has ${pair} ${String(seq)}, beyond ${String(cap)}`)
    }
  }

  /** What is in the list in the end. [PRF-7] */
  check(owner: string, other: string, isBlocked: boolean): void {
    if (!this.of(owner, other).possible.includes(isBlocked)) throw new Breach(`that ${owner} ${isBlocked ? 'has unblocked' : 'blocks'} ${other} is lost`)
  }

  isHidden(user: string, pair: string, seq: number): boolean {
    return this.#hidden.get(user)?.has(`${pair} ${String(seq)}`) === true
  }

  isOwed(user: string, pair: string, seq: number): boolean {
    return !this.isTouched(pair) || this.#owed.get(user)?.has(`${pair} ${String(seq)}`) === true
  }
}

function shown(user: string, text: string): Breach {
  return new Breach(`${user} was shown '${text}' of one whom it had blocked`)
}

function set(sets: Map<string, Set<string>>, name: string): Set<string> {
  let found = sets.get(name)
  if (found === undefined) sets.set(name, found = new Set())
  return found
}
