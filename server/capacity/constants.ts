/**
 * What one of each thing costs, for plans of more than was ever run. Each constant says where it comes from: measured by the command named,
 * published by an operator of this size, or assumed because nobody here has measured it yet. spec/capacity.md shows the same table.
 */

export type Origin = 'measured' | 'published' | 'assumed'

export interface Constant {
  readonly value: number
  readonly unit: string
  readonly origin: Origin
  /** What it is, and for a measured one the command that says so again. */
  readonly about: string
}

function measured(value: number, unit: string, about: string): Constant {
  return { value, unit, origin: 'measured', about }
}

function assumed(value: number, unit: string, about: string): Constant {
  return { value, unit, origin: 'assumed', about }
}

export const CONSTANTS = {
  eventCpuUs: measured(277, 'µs', 'CPU of a message taken, a delivery or a return, in a phone-shaped load with p99 below 250 ms: `npm run bench -- phones:2000`'),
  returnCpuUs: measured(110, 'µs', 'CPU of a device that comes back with its token and goes, one after the other: `npm run bench -- login`'),
  connectionBytes: measured(28_000, 'bytes', 'memory of a connected phone with its share of the conversations in use: `npm run bench -- phones:2000`'),
  socketBytes: assumed(4000, 'bytes', 'kernel memory of an idle TCP connection'),
  tlsBytes: measured(26_000, 'bytes', 'memory of a TLS connection beyond that of a plain one: `npm run bench -- idle:3000` with and without `BENCH_TLS=full`'),
  tlsFactor: measured(1.3, 'times', 'CPU of a message with TLS over CPU without, where little is shared: `npm run bench -- latency`, the same two'),
  handshakeCpuUs: measured(620, 'µs', 'CPU of a TLS handshake, certificate with ECDSA: what `npm run bench -- login` costs more with `BENCH_TLS=full`'),
  linkFactor: measured(1.4, 'times', 'CPU of an event whose session and shard are on two nodes over CPU of one that stays: `npm run bench -- shardsSame shardsCross`'),
  changelogFactor: assumed(1.25, 'times', 'CPU with a changelog in Redis over CPU without: the design allows 2 for a saturated server, where an event costs a tenth'),
  standbyCpuUs: measured(4.4, 'µs', 'CPU of storing one message, which is what a standby does with it: `npm run bench -- offline`'),
  storedBytes: measured(147, 'bytes', 'disk of a message beside its text, index included, once it is delivered: `npm run bench -- disk`'),
  waitingBytes: measured(103, 'bytes', 'disk of a message of 100 characters in a queue, for each user it waits for: `npm run bench -- disk`'),
  writeFactor: assumed(10, 'times', 'bytes written to the disk over bytes stored, compaction included'),
  wireBytes: measured(55, 'bytes', 'bytes on the wire beside the text for a message, its delivery, acks and receipts: `npm run bench -- bytes`'),
  packets: assumed(3, 'packets', 'packets for each message and for each delivery, acks included'),
  packetBytes: assumed(90, 'bytes', 'headers of Ethernet, IP, TCP and TLS for one packet'),
  changelogBytes: assumed(250, 'bytes', 'bytes of a message in the changelog beside its text, which is in it twice'),
  changelogSeconds: assumed(30, 's', 'how much of the changelog Redis holds: what the slowest standby lags behind, and a failover'),
  redisBytesPerSecond: assumed(200e6, 'bytes/s', 'what one Redis process takes in and hands on to its replica and to one standby'),
  uploadCpuMs: measured(9.5, 'ms', 'CPU of one MiB uploaded: hashed, encrypted, synced: `npm run bench -- blobs16`'),
  downloadCpuMs: measured(0.53, 'ms', 'CPU of one MiB downloaded: `npm run bench -- blobs16`'),
  previewCpuMs: measured(67, 'ms', 'CPU of thumbnail and placeholder of a photo of 12 megapixels: `npm run bench -- previews`'),
  blobCopies: assumed(1.5, 'times', 'bytes that an object store keeps for one byte, by erasure codes'),
} as const satisfies Readonly<Record<string, Constant>>

/** What one asks for, by the name of the option; defaults are the scale that chatd is designed for. */
export const QUESTIONS = {
  'users': { value: 2e9, unit: 'users', origin: 'assumed', about: 'who use it in a month' },
  'messages-per-day': { value: 100e9, unit: 'messages', origin: 'assumed', about: 'messages sent in a day' },
  'text-bytes': { value: 100, unit: 'bytes', origin: 'assumed', about: 'the mean text; 700 characters is the limit' },
  'online-share': { value: 0.32, unit: 'of users', origin: 'published', about: 'connected at the peak: 147 of 465 million' },
  'peak-factor': { value: 1.55, unit: 'times', origin: 'published', about: 'the peak of the day over its mean: 342,000 messages a second of 19 billion a day' },
  'deliveries': { value: 2.1, unit: 'for a message', origin: 'published', about: 'deliveries of a message, groups included: 40 of 19 billion' },
  'return-seconds': { value: 640, unit: 's', origin: 'published', about: 'a connected phone comes back once in so long: 147 million, 230,000 a second' },
  'media-share': { value: 0.1, unit: 'of messages', origin: 'assumed', about: 'messages that carry a file' },
  'media-bytes': { value: 300_000, unit: 'bytes', origin: 'assumed', about: 'the mean file; 16 MiB is the limit' },
  'keep-days': { value: 365, unit: 'days', origin: 'assumed', about: 'how long messages and files are kept' },
  'away-share': { value: 0.1, unit: 'of a day', origin: 'assumed', about: 'messages of a day that wait in queues at any time' },
  'copies': { value: 2, unit: 'copies', origin: 'assumed', about: 'of each shard: its owner and its standbys' },
  'busy': { value: 0.5, unit: 'of a node', origin: 'assumed', about: 'the most that a node is used at the daily peak; the rest is for matches, holidays and nodes that die' },
  'cores': { value: 32, unit: 'cores', origin: 'assumed', about: 'of a node' },
  'memory': { value: 256e9, unit: 'bytes', origin: 'assumed', about: 'of a node' },
  'disk': { value: 30e12, unit: 'bytes', origin: 'assumed', about: 'of a node' },
  'network': { value: 25e9, unit: 'bits/s', origin: 'assumed', about: 'of a node, each way' },
  'connections': { value: 1e6, unit: 'connections', origin: 'published', about: 'the most that one node shall hold: what its death sends to the others' },
} as const satisfies Readonly<Record<string, Constant>>

export type Question = keyof typeof QUESTIONS
export type Answers = Readonly<Record<Question, number>>
