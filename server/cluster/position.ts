/**
 * Where somebody has got to in a shard's changelog.
 *
 * Numbers are dense over the whole life of a shard; the epoch says in which ownership an entry was written. That alone would not do: a Redis
 * that fails over may lose the beginning of an epoch and give its number once more. So each ownership also has a random token, every entry
 * carries its own and that of the entry before, and two logs that agree in one position agree in everything before it. (The same argument
 * as Raft's log matching, with the token as the term: https://raft.github.io/raft.pdf, 5.3.)
 */

/** One entry of a changelog. */
export interface Position {
  readonly epoch: number
  /** 1 for the first entry there ever was; 0 is before it. */
  readonly number: number
  /** 16 hexadecimal digits: whose entry it is. */
  readonly token: string
}

/** Before the first entry. */
export const BEGINNING: Position = { epoch: 0, number: 0, token: '0000000000000000' }

/** The id of its entry in the stream. */
export function idOf(position: { readonly epoch: number, readonly number: number }): string {
  return `${String(position.epoch)}-${String(position.number)}`
}

/** The other way round; null for what no node has written. */
export function positionOf(id: string, token: string): Position | null {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(id)
  return match === null || !isToken(token) ? null : { epoch: Number(match[1]), number: Number(match[2]), token }
}

export function isToken(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text)
}

/** Below 0: the first has less of a log than the second. Two of the same epoch and number may still belong to different logs. */
export function comparePositions(one: Position, other: Position): number {
  return one.epoch === other.epoch ? one.number - other.number : one.epoch - other.epoch
}

/** Whether they are the same entry of the same log. */
export function isSamePosition(one: Position, other: Position): boolean {
  return one.number === other.number && one.token === other.token && one.epoch === other.epoch
}

/** For logs and reports: `7-1234`. */
export function showPosition(position: Position | null): string {
  return position === null ? 'none' : idOf(position)
}
