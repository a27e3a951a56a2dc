/**
 * A run: consecutive messages of one conversation as they stand in one row of its log. What one commit appends to a log is one run, so
 * that a busy conversation costs a row for many messages. The row's key carries the seq of the run's last message: whoever looks for a
 * message seeks its seq and finds its run.
 *
 *     byte    2, the version. Version 1 was one record, without a count.
 *     byte    records in this row, 1 to RUN_RECORDS_MAX
 *     records from, device, outbox epoch, client id, previous seq, time, text, extensions: as in storage/value.ts
 *
 * A change of a group has a row of its own:
 *
 *     byte    3
 *     fields  from, time, the element as on the wire
 *
 * So has an operation on a message; its text stands with its target, see operations/message-state.ts:
 *
 *     byte    4
 *     fields  from, device, outbox epoch, client id, previous seq, time, target, kind
 *
 * A message that was deleted stays in its run without text and extensions, one that has expired with nothing but when it did: no message
 * is accepted that has neither.
 */
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { decodeElement, type Element, encodeElement } from '../../protocol/element.js'
import { withoutExpiry } from '../../protocol/expiry.js'
import { uintSize, writeByteString, writeString, writeUint } from '../../protocol/writer.js'
import { StorageError } from '../../storage/engine.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'

const VERSION = 2
const VERSION_SINGLE = 1
export const VERSION_CHANGE = 3
export const VERSION_OPERATION = 4
const HEAD_BYTES = 2

/** A run of more messages or bytes ends and the next one begins: finding one message reads its whole run. */
export const RUN_RECORDS_MAX = 64
export const RUN_BYTES_MAX = 32_768

/** An operation as the log has it. */
export interface LoggedOperation {
  /** Seq of the message. */
  readonly target: number
  /** operate.kind */
  readonly kind: number
}

/** One message of a conversation's log. */
export interface LogRecord {
  readonly seq: number
  readonly from: string
  readonly device: number
  readonly outboxEpoch: number
  readonly clientId: number
  /** The previous message of the same outbox here; 0: none. */
  readonly previousSeq: number
  readonly timeMs: number
  readonly text: Uint8Array
  readonly extensions: Uint8Array
  /** What changed in the group; null: it is a message. Of a change nothing else but `seq`, `from` and `timeMs` means anything. */
  readonly change: Element | null
  /** What was done to which message; null: it is a message, or a change. */
  readonly operation: LoggedOperation | null
  /** Only who reads history looks at what became of a message. */
  readonly present: null
}

/** Whether it is a message whose text is gone. [OPS-7] [DIS-4] */
export function isErased({ change, operation, text, extensions }: LogRecord): boolean {
  return text.length === 0 && change === null && operation === null && withoutExpiry(extensions).length === 0
}

export class LogRun {
  /** Seq of the last message. */
  last = 0
  /** When all of it will have expired; 0: it does not. */
  expiresMs = 0
  #count = 0
  readonly #row = new ByteBuffer()

  get isFull(): boolean {
    return this.#count >= RUN_RECORDS_MAX || this.#row.length >= RUN_BYTES_MAX
  }

  /** Hot: one a message. `from` is ASCII, all numbers are integers from 0. */
  append(
    seq: number, from: string, device: number, outboxEpoch: number, clientId: number, previousSeq: number, timeMs: number,
    text: Uint8Array, extensions: Uint8Array,
  ): void {
    const size = 1 + from.length + uintSize(device) + uintSize(outboxEpoch) + uintSize(clientId) + uintSize(previousSeq)
      + uintSize(timeMs) + uintSize(text.length) + text.length + uintSize(extensions.length) + extensions.length
    const isFirst = this.#count === 0
    let position = this.#row.reserve(isFirst ? HEAD_BYTES + size : size)
    const { bytes } = this.#row
    if (isFirst) {
      bytes[0] = VERSION
      position = HEAD_BYTES
    }
    bytes[1] = ++this.#count
    this.last = seq
    position = writeString(bytes, position, from, from.length)
    position = writeUint(bytes, position, device)
    position = writeUint(bytes, position, outboxEpoch)
    position = writeUint(bytes, position, clientId)
    position = writeUint(bytes, position, previousSeq)
    position = writeUint(bytes, position, timeMs)
    position = writeByteString(bytes, position, text)
    writeByteString(bytes, position, extensions)
  }

  /** The row: a view; nothing may be appended afterwards. */
  row(): Uint8Array {
    return this.#row.view()
  }
}

/** The row of these messages, each with the text and extensions that `content` leaves it. */
export function rewrittenRun(records: readonly LogRecord[], content: (record: LogRecord) => Pick<LogRecord, 'text' | 'extensions'>): Uint8Array {
  const run = new LogRun()
  for (const record of records) {
    const { text, extensions } = content(record)
    run.append(
      record.seq, record.from, record.device, record.outboxEpoch, record.clientId, record.previousSeq, record.timeMs, text, extensions,
    )
  }
  return Uint8Array.prototype.slice.call(run.row())
}

/** The messages of a row whose key says `last`, ascending. Throws StorageError 'corrupt' for bytes that are no such row. */
export function readLogRun(row: Uint8Array, last: number): LogRecord[] {
  const reader = new ValueReader(row)
  const version = reader.uint()
  const count = recordsIn(version, reader, last)
  if (version === VERSION_CHANGE) return [readChangeRecord(reader, last)]
  if (version === VERSION_OPERATION) return [readOperationRecord(reader, last)]
  const records: LogRecord[] = []
  for (let seq = last - count + 1; seq <= last; seq++) records.push(readRecord(reader, seq))
  return records
}

/** How many records follow in a row of this version; `last`: the seq in its key. Throws StorageError 'corrupt'. */
export function recordsIn(version: number, reader: ValueReader, last: number): number {
  if (version === VERSION_CHANGE || version === VERSION_OPERATION || version === VERSION_SINGLE) return 1
  if (version !== VERSION) throw new StorageError('corrupt', `a log row has the unknown version ${String(version)}`)
  const count = reader.uint()
  if (count === 0 || count > RUN_RECORDS_MAX || count > last) throw new StorageError('corrupt', `a log row claims ${String(count)} messages`)
  return count
}

function readRecord(reader: ValueReader, seq: number): LogRecord {
  return {
    seq,
    from: reader.string(),
    device: reader.uint(),
    outboxEpoch: reader.uint(),
    clientId: reader.uint(),
    previousSeq: reader.uint(),
    timeMs: reader.time(),
    text: reader.bytes(),
    extensions: reader.bytes(),
    change: null,
    operation: null,
    present: null,
  }
}

export function encodeChangeRow(from: string, timeMs: number, change: Element): Uint8Array {
  return new ValueWriter().uint(VERSION_CHANGE).string(from).time(timeMs).bytes(encodeElement(change)).take()
}

function readChangeRecord(reader: ValueReader, seq: number): LogRecord {
  const from = reader.string()
  const timeMs = reader.time()
  const change = decodeElement(reader.bytes())
  if (change === null) throw new StorageError('corrupt', 'a log row holds no change')
  return { seq, from, device: 0, outboxEpoch: 0, clientId: 0, previousSeq: 0, timeMs, text: EMPTY_BYTES, extensions: EMPTY_BYTES, change, operation: null, present: null }
}

function readOperationRecord(reader: ValueReader, seq: number): LogRecord {
  return {
    seq,
    from: reader.string(),
    device: reader.uint(),
    outboxEpoch: reader.uint(),
    clientId: reader.uint(),
    previousSeq: reader.uint(),
    timeMs: reader.time(),
    text: EMPTY_BYTES,
    extensions: EMPTY_BYTES,
    change: null,
    operation: { target: reader.uint(), kind: reader.uint() },
    present: null,
  }
}
