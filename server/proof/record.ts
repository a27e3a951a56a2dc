/** What a device did and saw, in its own words: the only evidence the checker takes. */

/** When, in microseconds of a clock that all processes of the machine share and that never jumps. */
export type At = number

export type DeviceEvent =
  /** The application handed a message over; texts are unique. */
  | { readonly kind: 'send', readonly at: At, readonly to: string, readonly text: string }
  /** It is in the device's durable outbox. */
  | { readonly kind: 'queued', readonly at: At, readonly handle: number, readonly text: string }
  /** A retryable refusal: it goes out once more, behind what was sent meanwhile. */
  | { readonly kind: 'again', readonly at: At, readonly text: string }
  /** The server says that it has it. */
  | { readonly kind: 'ack', readonly at: At, readonly to: string, readonly text: string, readonly seq: number, readonly timeMs: number }
  | {
    readonly kind: 'message', readonly at: At, readonly conversation: string, readonly from: string, readonly seq: number,
    /** 0: from history, after "too old". */
    readonly index: number, readonly timeMs: number, readonly text: string,
  }
  /** The user asked to have it marked as read. */
  | { readonly kind: 'read', readonly at: At, readonly conversation: string, readonly seq: number }
  /** The device was told that `member` has received or read up to `seq`. */
  | {
    readonly kind: 'told', readonly at: At, readonly conversation: string, readonly member: string,
    readonly mark: 'delivered' | 'read', readonly seq: number,
  }
  /** The device's process begins, for the first time or after it was killed: what it had not stored may come once more. */
  | { readonly kind: 'start', readonly at: At }
  /** The device itself saw the protocol broken. */
  | { readonly kind: 'broken', readonly at: At, readonly what: string }

export interface DeviceLog {
  readonly user: string
  readonly device: string
  readonly events: readonly DeviceEvent[]
}

/** A message as the archive has it. */
export interface ArchivedMessage {
  readonly seq: number
  readonly from: string
  readonly text: string
  readonly timeMs: number
}

/** What the server answered to those who asked for everything: by user, then by conversation. */
export type Archive = ReadonlyMap<string, ReadonlyMap<string, readonly ArchivedMessage[]>>

/** A DeviceLog that grows in memory. */
export class Recorder implements DeviceLog {
  readonly user: string
  readonly device: string
  readonly events: DeviceEvent[] = []

  constructor(user: string, device: string) {
    this.user = user
    this.device = device
  }

  add(event: DeviceEvent): void { this.events.push(event) }
}

/** The present moment of the shared clock. */
export function now(): At {
  return Number(process.hrtime.bigint() / 1000n)
}

/** The name of the conversation of two users, whoever speaks of it. */
export function pairOf(a: string, b: string): string {
  return a < b ? `${a}:${b}` : `${b}:${a}`
}
