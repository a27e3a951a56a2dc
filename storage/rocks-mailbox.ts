/**
 * How commits reach the writing thread: through memory that both share, woken by a futex. A message between threads costs its
 * serialisation and a turn of both event loops, which for a small commit is more than the commit; this costs a copy and two wake-ups.
 * Whatever is rare goes by a port beside it: trims, batches that are too large, errors.
 *
 *     control   int32   request number, done number, rows (-1: look at the port), outcome
 *     rows      packed as in rocks-messages.ts
 */
export const REQUEST = 0
export const DONE = 1
export const ROWS = 2
export const OUTCOME = 3

/** In ROWS: the request is a message on the port. */
export const ON_PORT = -1

export const OUTCOME_DONE = 0
/** What went wrong is a message on the port. */
export const OUTCOME_FAILED = 1

/** Rows of one commit that fit; pages that are never touched cost nothing. A shard's largest usual commit is about 1 MiB. */
export const MAILBOX_BYTES = 4 << 20

const CONTROL_BYTES = 16

/** What the writing thread is started with, besides the port. */
export interface Mailbox {
  readonly control: SharedArrayBuffer
  readonly rows: SharedArrayBuffer
}

export function createMailbox(): Mailbox {
  return { control: new SharedArrayBuffer(CONTROL_BYTES), rows: new SharedArrayBuffer(MAILBOX_BYTES) }
}

/** `Atomics.waitAsync` (ECMAScript 2024), which the library of our target does not declare yet; every Node we run on has it. */
type WaitAsync = (control: Int32Array, at: number, value: number) => { async: false } | { async: true; value: Promise<string> }

/** Resolves when the number at `at` is no longer `value`. Does not keep the process alive. */
export async function changed(control: Int32Array, at: number, value: number): Promise<void> {
  const { waitAsync } = Atomics as unknown as { waitAsync: WaitAsync }
  while (Atomics.load(control, at) === value) {
    const waiting = waitAsync(control, at, value)
    if (waiting.async) await waiting.value
  }
}
