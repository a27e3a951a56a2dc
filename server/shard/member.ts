/**
 * A member of a conversation in memory, and its watermarks. Those of a group stand in columns for all its members, since each message
 * looks at all of them; those of a pair in the member itself.
 */
import type { Membership } from '../groups/group-state.js'
import type { MemberColumns } from '../groups/member-columns.js'

/** The place of who is no member of a group. */
const NO_PLACE = -1

export class Member {
  readonly user: string
  read = 0
  /** Of a pair: what the other was told of `delivered`, which lags behind while the user has blocked it. [PRF-12] */
  deliveredTold = 0
  /** In a group: its role, and what it may read. */
  membership: Membership | null = null
  /** Among the members of its group. */
  place = NO_PLACE
  /** What the open transaction has still to write and tell. */
  deliveredRose = false
  deliveredToldRose = false
  readRose = false
  readToldRose = false
  /** Those of its group; null: what follows is kept here. */
  #columns: MemberColumns | null = null
  #delivered = 0
  #readTold = 0
  #unread = 0

  constructor(user: string) {
    this.user = user
  }

  get delivered(): number {
    return this.#columns === null ? this.#delivered : this.#columns.delivered[this.place]!
  }

  set delivered(seq: number) {
    if (this.#columns === null) this.#delivered = seq
    else this.#columns.delivered[this.place] = seq
  }

  /** What others were told that it has read: this lags behind `read` while the user's receipts are off. [RCP-7] */
  get readTold(): number {
    return this.#columns === null ? this.#readTold : this.#columns.readTold[this.place]!
  }

  set readTold(seq: number) {
    if (this.#columns === null) this.#readTold = seq
    else this.#columns.readTold[this.place] = seq
  }

  /** Messages of others above `read`. [RCP-8] */
  get unread(): number {
    return this.#columns === null ? this.#unread : this.#columns.unread[this.place]!
  }

  set unread(count: number) {
    if (this.#columns === null) this.#unread = count
    else this.#columns.unread[this.place] = count
  }

  /** Takes the next place of a group. */
  join(columns: MemberColumns, place: number): void {
    columns.add(this)
    this.#columns = columns
    this.place = place
  }

  /** Somebody before it has left. */
  moveUp(): void {
    this.place--
  }

  leave(columns: MemberColumns): void {
    const { delivered, readTold, unread, place } = this
    this.#columns = null
    this.place = NO_PLACE
    Object.assign(this, { delivered, readTold, unread })
    columns.remove(place)
  }
}
