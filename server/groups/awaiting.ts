/**
 * Who of a group waits for the others: whose messages not all have received, or read. Of all members they alone have to be looked at when
 * watermarks rise, and those who wait for readers only when that of a reader has.
 */
import type { Member } from '../shard/member.js'
import { UserState } from '../shard/user-state.js'
import { Floor } from './floor.js'

/** Over all members of a group; `silent` of those who tell nobody what they read, which `read` leaves out. */
export interface Floors {
  readonly delivered: Floor
  readonly read: Floor
  readonly silent: Floor
}

export class Awaiting {
  readonly #receivers = new Set<Member>()
  readonly #readers = new Set<Member>()
  /** What those who wait for readers were looked at by last, of which members, and with which settings. */
  #read = new Floor()
  #membersVersion = -1
  #settings = -1

  /** It has sent something, or may have. */
  add(member: Member): void {
    this.#receivers.add(member)
    this.#readers.add(member)
  }

  /** Those to be told something, as far as can be known without looking at them. */
  due({ read }: Floors, membersVersion: number): ReadonlySet<Member> {
    // Whom somebody holds back who has not even received it waits for receivers too.
    const isSame = read.equals(this.#read) && this.#membersVersion === membersVersion && this.#settings === UserState.settingsChanges
    if (isSame) return this.#receivers
    this.#read = read
    this.#membersVersion = membersVersion
    this.#settings = UserState.settingsChanges
    return new Set([...this.#receivers, ...this.#readers])
  }

  /** To be called when a member has been looked at. */
  note(member: Member): void {
    const { membership } = member
    if (membership?.undelivered.isSettled !== false) this.#receivers.delete(member)
    if (membership?.unread.isSettled !== false) this.#readers.delete(member)
  }

  /** It has left. */
  drop(member: Member): void {
    this.#receivers.delete(member)
    this.#readers.delete(member)
  }
}
