/**
 * How many members stand where the slowest do, so that an acknowledgement by one of the others, or by one of many, need not look at all
 * of them: the lowest and the second-lowest watermark, of which all that senders are told follows, stay where they are.
 */
export class SlowestMembers {
  /** The second-lowest watermark when all were looked at last… */
  #second = -1
  /** …how many stood there or lower, less those who have risen since… */
  #count = 0
  /** …and which members there were. */
  #membersVersion = -1

  note(second: number, count: number, membersVersion: number): void {
    this.#second = second
    this.#count = count
    this.#membersVersion = membersVersion
  }

  /**
   * A member's watermark rises. Whether the lowest or the second-lowest may move with it: then all have to be looked at, and noted,
   * before the next one rises in another transaction.
   */
  mayMove(from: number, to: number, membersVersion: number): boolean {
    if (from > this.#second && membersVersion === this.#membersVersion) return false
    if (from < this.#second || to <= this.#second || membersVersion !== this.#membersVersion) return true
    this.#count--
    return this.#count < 2
  }
}
