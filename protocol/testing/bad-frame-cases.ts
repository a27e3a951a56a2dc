/** Hand-chosen bytes that a decoder refuses, and bytes that are unusual but stand. Whole frames with their length, unless it says so. */
import { elementBytes, hexBytes, lengthFirst, stringBytes, toHex, uintBytes } from './reference-encoder.js'
import type { AttackFlag } from './attack-flags.js'
import { hex } from './frame-cases.js'

export interface InvalidCase {
  readonly name: string
  readonly requirement: string
  readonly flags: readonly AttackFlag[]
  readonly hex: string
  /** Code that closes the connection. */
  readonly error: number
  /** Limit in force; 65536 if absent. */
  readonly frameBytesMax?: number
}

export interface AcceptableCase {
  readonly name: string
  readonly requirement: string
  readonly hex: string
  /** What the receiver makes of it, see the schema. */
  readonly flags: readonly string[]
  /** Names of the frames that come out of the decoder. */
  readonly frames: readonly string[]
}

const MALFORMED = 200
const TOO_LARGE = 201
const UNSUPPORTED_FRAME = 203
const UNSUPPORTED_EXTENSION = 206

function frame(...parts: (readonly number[])[]): string {
  return toHex(lengthFirst(parts.flat()))
}

/** ping with these bytes as its nonce. */
function ping(...nonce: number[]): string {
  return frame([44], nonce)
}

function extension(key: number, value: string): number[] {
  return [...uintBytes(key), ...lengthFirst(hexBytes(value))]
}

/** authenticated with these bytes as the user. */
function withString(...bytes: number[]): string {
  return frame([12], lengthFirst(bytes), [0])
}

/** query with this element field, length included in the bytes. */
function query(...field: (readonly number[])[]): string {
  return frame([38, 1], ...field)
}

const message = [18, 1, ...stringBytes('bob'), ...lengthFirst(hexBytes(hex('hi')))]
const history = elementBytes({ name: 'history', attributes: {}, children: [] })

function bad(flags: readonly AttackFlag[], requirement: string, name: string, bytes: string, error = MALFORMED): InvalidCase {
  return { name, requirement, flags, hex: bytes, error }
}

export const invalidCases: readonly InvalidCase[] = [
  bad(['empty'], 'FRM-11', 'a frame of length 0', '00'),
  bad(['non-canonical'], 'FRM-2', 'a length in a longer form', '82002c05'),
  bad(['endless', 'number-overflow'], 'FRM-2', 'a length of 9 bytes', '808080808080808001'),
  bad(['non-canonical'], 'FRM-2', 'a type in a longer form', frame([0xac, 0x00, 5])),
  bad(['truncated'], 'FRM-4', 'a type cut off', frame([0xac])),
  bad(['non-canonical'], 'FRM-2', 'a uint of 0 in two bytes', ping(0x80, 0x00)),
  bad(['non-canonical'], 'FRM-2', 'a uint of 1 in three bytes', ping(0x81, 0x80, 0x00)),
  bad(['number-overflow'], 'FRM-2', 'a uint of 2^53', ping(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10)),
  bad(['number-overflow'], 'FRM-2', 'the largest uint of 8 bytes', ping(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
  bad(['number-overflow'], 'FRM-2', 'a uint of 9 bytes', ping(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)),
  bad(['endless'], 'FRM-2', 'a uint that never ends', ping(...Array.from({ length: 40 }, () => 0xff))),
  bad(['truncated'], 'FRM-4', 'a uint cut off', ping(0x80)),
  bad(['truncated'], 'FRM-4', 'a field that is missing', frame([44])),
  bad(['number-overflow'], 'FRM-2', 'an int beyond 8 bytes', frame([20, 1, 1], Array.from({ length: 9 }, () => 0xff))),
  bad(['truncated'], 'FRM-4', 'a time of 5 bytes', frame([24, 1], stringBytes('bob'), [1, 0, 0, 0, 0, 0])),
  bad(['over-read'], 'FRM-4', 'a string longer than the body', frame([12, 5], hexBytes(hex('bob')))),
  bad(['over-read', 'huge-length'], 'FRM-4', 'a string of 2^53 - 1 bytes', frame([12], uintBytes(Number.MAX_SAFE_INTEGER), hexBytes(hex('bob')))),
  bad(['over-read'], 'FRM-4', 'bytes longer than the body', frame([8, 4, 1, 2, 3])),
  bad(['over-read'], 'FRM-4', 'text longer than the body', frame([18, 1], stringBytes('bob'), [3, 0x68, 0x69])),
  bad(['embedded-nul'], 'FRM-9', 'a string with U+0000', withString(0x61, 0x00)),
  bad(['invalid-utf8'], 'FRM-9', 'a string with a stray continuation byte', withString(0x80)),
  bad(['invalid-utf8'], 'FRM-9', 'a string with a lead byte alone', withString(0xc3)),
  bad(['overlong-utf8'], 'FRM-9', 'a string with an overlong slash', withString(0xc0, 0xaf)),
  bad(['overlong-utf8', 'embedded-nul'], 'FRM-9', 'a string with an overlong U+0000', withString(0xc0, 0x80)),
  bad(['overlong-utf8'], 'FRM-9', 'a string with an overlong form of 3 bytes', withString(0xe0, 0x9f, 0xbf)),
  bad(['overlong-utf8'], 'FRM-9', 'a string with an overlong form of 4 bytes', withString(0xf0, 0x8f, 0xbf, 0xbf)),
  bad(['invalid-utf8'], 'FRM-9', 'a string with a surrogate', withString(0xed, 0xa0, 0x80)),
  bad(['invalid-utf8'], 'FRM-9', 'a string beyond U+10FFFF', withString(0xf4, 0x90, 0x80, 0x80)),
  bad(['invalid-utf8'], 'FRM-9', 'a string with the byte f5', withString(0xf5, 0x80, 0x80, 0x80)),
  bad(['invalid-utf8'], 'FRM-9', 'a string with the byte ff', withString(0xff)),
  bad(['invalid-utf8', 'truncated'], 'FRM-9', 'a string cut off within a character', withString(0x61, 0xe2, 0x82)),
  bad(['invalid-utf8'], 'FRM-9', 'a long string with a bad byte at its end', withString(...Array.from({ length: 100 }, () => 0x61), 0xff)),
  bad(['too-many'], 'FRM-17', 'a list of 17 items', frame([2, 17], Array.from({ length: 17 }, () => 1), stringBytes('x'))),
  bad(['too-many', 'huge-length'], 'FRM-17', 'a list of 2^53 - 1 items', frame([2], uintBytes(Number.MAX_SAFE_INTEGER), stringBytes('x'))),
  bad(['truncated'], 'FRM-4', 'a list cut off', frame([2, 3, 1, 2])),
  bad(['invalid-utf8'], 'FRM-9', 'a list of strings with a bad one', frame([4, 1, 2], stringBytes('a'), [1, 0xff, 0, 1, 1])),
  bad(['truncated'], 'FRM-8', 'an extension cut off behind its key', frame([44, 1], [5])),
  bad(['over-read'], 'FRM-8', 'an extension longer than the body', frame([44, 1], [5, 2, 0])),
  bad(['duplicate'], 'FRM-8', 'an extension given twice', frame([44, 1], extension(5, ''), extension(5, ''))),
  bad(['non-canonical'], 'FRM-8', 'extensions in falling order', frame([44, 1], extension(7, ''), extension(5, ''))),
  bad(['too-many'], 'FRM-8', '17 extensions', frame([44, 1], Array.from({ length: 17 }, (_, index) => extension(101 + 2 * index, '')).flat())),
  bad(['non-canonical'], 'FRM-8', 'malformed extensions behind a critical one', frame([44, 1], extension(6, ''), extension(5, ''))),
  bad(['non-canonical'], 'FRM-8', 'malformed extensions of a message', frame(message, extension(7, ''), extension(5, ''))),
  bad(['non-canonical'], 'FRM-2', 'an extension key in a longer form', frame([44, 1], [0x85, 0x00, 0x00])),
  bad(['critical'], 'FRM-6', 'an unknown even frame', frame([1000 % 128 | 0x80, 1000 >> 7]), UNSUPPORTED_FRAME),
  bad(['critical'], 'FRM-6', 'type 0', frame([0]), UNSUPPORTED_FRAME),
  bad(['critical'], 'FRM-6', 'a reserved even type', frame([52, 1]), UNSUPPORTED_FRAME),
  bad(['critical'], 'FRM-7', 'an unknown critical extension', frame([44, 1], extension(1000, '')), UNSUPPORTED_EXTENSION),
  bad(['critical'], 'FRM-7', 'a critical extension that is defined of messages alone', frame([44, 1], extension(2, '00')), UNSUPPORTED_EXTENSION),
  bad(['critical'], 'FRM-7', 'a reserved critical extension', frame([44, 1], extension(4, '00')), UNSUPPORTED_EXTENSION),
  bad(['critical'], 'FRM-7', 'a critical extension with key 0', frame([44, 1], extension(0, '')), UNSUPPORTED_EXTENSION),
  bad(['critical'], 'FRM-7', 'a critical extension behind an optional one', frame([44, 1], extension(5, ''), extension(1000, '')), UNSUPPORTED_EXTENSION),
  bad(['huge-length'], 'FRM-3', 'a length of the limit + 1, alone', '818004', TOO_LARGE),
  bad(['huge-length', 'number-overflow'], 'FRM-3', 'a length of 2^53', '8080808080808010', TOO_LARGE),
  bad(['huge-length'], 'FRM-3', 'a length of 2^53 - 1, alone', 'ffffffffffffff0f', TOO_LARGE),
  bad(['huge-length'], 'FRM-3', 'the first bytes of a length beyond the limit', 'ffffff', TOO_LARGE),
  bad(['huge-length'], 'FRM-3', 'seven bytes of a length', 'ffffffffffffff', TOO_LARGE),
  bad(['huge-length', 'non-canonical'], 'FRM-3', 'a length beyond the limit, in a longer form', 'ffffff00', TOO_LARGE),
  { ...bad(['huge-length'], 'FRM-3', 'a length of 4097 before welcome, alone', '8120', TOO_LARGE), frameBytesMax: 4096 },
  { ...bad(['huge-length'], 'FRM-3', 'the first bytes of a length beyond the limit before welcome', 'ffff', TOO_LARGE), frameBytesMax: 4096 },
  bad(['trailing-data'], 'ELM-8', 'an element that does not fill its field', query([history.length + 1], history, [0])),
  bad(['over-read'], 'ELM-8', 'an element longer than its field', query([history.length - 1], history)),
  bad(['empty'], 'ELM-8', 'an element field of length 0', query([0])),
  bad(['over-read'], 'FRM-4', 'an element field longer than the body', query([history.length + 1], history)),
]

export const acceptableCases: readonly AcceptableCase[] = [
  { name: 'an unknown odd frame', requirement: 'FRM-6', hex: frame([0xe9, 0x07, 1, 2, 3]), flags: ['ignored'], frames: [] },
  { name: 'an unknown odd frame without a body', requirement: 'FRM-6', hex: frame([1]), flags: ['ignored'], frames: [] },
  {
    name: 'an unknown odd frame between two others', requirement: 'FRM-6',
    hex: ping(1) + frame([0xe9, 0x07], Array.from({ length: 300 }, () => 0xff)) + ping(2), flags: ['ignored'], frames: ['ping', 'ping'],
  },
  {
    name: 'an unknown optional extension', requirement: 'FRM-7', hex: frame([44, 1], extension(1001, 'ff')),
    flags: ['extension-ignored'], frames: ['ping'],
  },
  {
    name: 'an unknown critical extension of a message', requirement: 'FRM-7', hex: frame(message, extension(1000, '')),
    flags: ['refused-as-stanza'], frames: ['message'],
  },
  {
    name: 'a message whose text is not UTF-8', requirement: 'MSG-8', hex: frame([18, 1], stringBytes('bob'), [1, 0xff]),
    flags: ['refused-as-stanza'], frames: ['message'],
  },
  {
    name: 'a message to a malformed address', requirement: 'ADR-2', hex: frame([18, 1], stringBytes('b b'), [1, 0x61]),
    flags: ['refused-as-stanza'], frames: ['message'],
  },
  {
    name: 'a mark of an unknown kind', requirement: 'RCP-10', hex: frame([36, 1], stringBytes('bob'), [9, 1]),
    flags: ['refused-as-stanza'], frames: ['mark'],
  },
  {
    name: 'a client id of 0', requirement: 'MSG-2', hex: frame([18, 0], stringBytes('bob'), [1, 0x61]),
    flags: ['closes-later'], frames: ['message'],
  },
  {
    name: 'a hello with unknown versions', requirement: 'OPN-2', hex: frame([2, 3], [99, 1, 0], stringBytes('x')),
    flags: ['unusual'], frames: ['hello'],
  },
]
