/**
 * A script's call as one piece of bytes. One goes with each commit, and ioredis would go through its arguments five times, of which most are
 * the same each time: the head is made once, and the rest with one copy of the entry.
 */
import { Command } from 'ioredis'

/** ioredis looks names up in lower case, again and again. */
const NAME = 'evalsha'

/** A script of Redis, and the keys that it is called with. */
export class PackedScript {
  readonly #keys: readonly string[]
  /** What comes between the number of the arguments and the values. */
  readonly #head: string

  /** Keys of ASCII. */
  constructor(sha: string, keys: readonly string[]) {
    this.#keys = keys
    this.#head = [NAME, sha, String(keys.length), ...keys].map(bulk).join('')
  }

  /** The values are copied: strings of ASCII, and bytes. */
  command(values: readonly (string | Buffer)[]): Command {
    const count = 3 + this.#keys.length + values.length
    return new PackedCommand(this.#keys, pack(`*${String(count)}\r\n${this.#head}`, values))
  }
}

/** It has no arguments as ioredis knows them. */
class PackedCommand extends Command {
  readonly #keys: readonly string[]
  readonly #bytes: Buffer

  constructor(keys: readonly string[], bytes: Buffer) {
    super(NAME, [], { replyEncoding: null })
    this.#keys = keys
    this.#bytes = bytes
  }

  /** A Redis Cluster is asked where they are. */
  override getKeys(): string[] {
    return [...this.#keys]
  }

  override toWritable(): Buffer {
    return this.#bytes
  }
}

/** As Redis reads them: `$LENGTH`, and as many bytes. */
function pack(head: string, values: readonly (string | Buffer)[]): Buffer {
  let length = head.length
  for (const value of values) length += String(value.length).length + value.length + 5
  const packed = Buffer.allocUnsafe(length)
  let at = 0
  // Strings in a row are written at once.
  let text = head
  for (const value of values) {
    if (typeof value === 'string') {
      text += bulk(value)
      continue
    }
    at += packed.write(`${text}$${String(value.length)}\r\n`, at, 'latin1')
    at += value.copy(packed, at)
    text = '\r\n'
  }
  packed.write(text, at, 'latin1')
  return packed
}

function bulk(text: string): string {
  return `$${String(text.length)}\r\n${text}\r\n`
}
