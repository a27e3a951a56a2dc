/** `node dist/protocol/testing/bench.js [FILTER]`: what encoding and decoding the hot frames costs, in nanoseconds of CPU a frame. */
import { EMPTY_BYTES, concatBytes } from '../bytes.js'
import { element } from '../element.js'
import { FrameDecoder } from '../frame-decoder.js'
import {
  encodeAck, encodeCursor, encodeDelivery, encodeDeliveryFrom, encodeMessage, encodePing, encodeQuery, encodeReceipt,
} from '../generated/frames.js'
import { LIMIT } from '../generated/registry.js'
import { checkText } from '../text.js'
import { encodeText } from '../utf8.js'

const TIME = 1_795_000_000_000
/** Bytes of a chunk: what a busy socket's read returns. */
const CHUNK_BYTES = 65536
const ROUNDS = 5
const ROUND_MS = 300

const short = encodeText('See you at eight, then?')
const long = encodeText('x'.repeat(700))
const emoji = encodeText('\u{1f600}'.repeat(100))

const encoders: Readonly<Record<string, (index: number) => Uint8Array>> = {
  'message, 23 bytes': (index) => encodeMessage(index, 'bob', short, EMPTY_BYTES),
  'message, 700 bytes': (index) => encodeMessage(index, 'bob', long, EMPTY_BYTES),
  'ack': (index) => encodeAck(index, index + 1000, 1234),
  'delivery, 23 bytes': (index) => encodeDelivery(index, 'alice', index, TIME + index, short, EMPTY_BYTES),
  'deliveryFrom, 23 bytes': (index) => encodeDeliveryFrom(index, '#book-club', 'alice', index, TIME + index, short, EMPTY_BYTES),
  'receipt': (index) => encodeReceipt(index, 'alice', '', 2, index),
  'cursor': (index) => encodeCursor(index),
  'ping': (index) => encodePing(index),
  'query': (index) => encodeQuery(index, element('history', { with: 'bob', before: index, limit: 20 })),
}

/** Keeps results alive, so that no work is optimised away. */
let sink = 0

/** CPU time of all threads so far, in nanoseconds: unlike the clock it does not count what other processes take. */
function cpuNanoseconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

function measure(work: () => number): number {
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const start = cpuNanoseconds()
    let count = 0
    while (cpuNanoseconds() - start < ROUND_MS * 1e6) count += work()
    best = Math.min(best, (cpuNanoseconds() - start) / count)
  }
  return best
}

function report(name: string, nanoseconds: number): void {
  process.stdout.write(`${name.padEnd(36)} ${nanoseconds.toFixed(0).padStart(6)} ns\n`)
}

function chunkOf(encode: (index: number) => Uint8Array): { chunk: Uint8Array; count: number } {
  const frames: Uint8Array[] = []
  for (let size = 0; size < CHUNK_BYTES; size += frames.at(-1)!.length) frames.push(encode(frames.length + 1))
  return { chunk: Buffer.from(concatBytes(...frames)), count: frames.length }
}

function decodeChunk(decoder: FrameDecoder, chunk: Uint8Array): void {
  decoder.push(chunk)
  for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
    if (typeof frame === 'number') throw new Error(`error ${frame}`)
    sink += frame.type
  }
}

const filter = process.argv[2] ?? ''
for (const [name, encode] of Object.entries(encoders)) {
  if (!name.includes(filter)) continue
  report(`encode ${name}`, measure(() => {
    for (let index = 1; index <= 1000; index++) sink += encode(index).length
    return 1000
  }))
  const { chunk, count } = chunkOf(encode)
  const decoder = new FrameDecoder(LIMIT.frameBytesMax)
  report(`decode ${name}`, measure(() => {
    decodeChunk(decoder, chunk)
    return count
  }))
}
for (const [name, text] of [['23 bytes', short], ['700 bytes', long], ['100 emoji', emoji]] as const) {
  if (!`checkText, ${name}`.includes(filter)) continue
  report(`checkText, ${name}`, measure(() => {
    for (let index = 0; index < 1000; index++) sink += 1 + checkText(text)
    return 1000
  }))
}
if (sink === 0) throw new Error('nothing was measured')
