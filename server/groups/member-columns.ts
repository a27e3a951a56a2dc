/**
 * What a message or an acknowledgement looks at or changes of all members of a group, side by side in memory, by the members' places. A
 * group's turn comes seldom and its members are many: each number in an object of its own would have to be fetched from memory first.
 */
export interface MemberMarks {
  readonly delivered: number
  readonly readTold: number
  readonly unread: number
}

export class MemberColumns {
  readonly delivered: number[] = []
  readonly readTold: number[] = []
  readonly unread: number[] = []

  /** For a member that takes the next place. */
  add({ delivered, readTold, unread }: MemberMarks): void {
    this.delivered.push(delivered)
    this.readTold.push(readTold)
    this.unread.push(unread)
  }

  /** Those behind it move up by one place. */
  remove(place: number): void {
    for (const column of [this.delivered, this.readTold, this.unread]) column.splice(place, 1)
  }
}
