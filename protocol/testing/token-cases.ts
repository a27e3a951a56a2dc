/** Hand-chosen tokens: what a device logs in with, and the dictionary of elements. */
import type { AttackFlag } from './attack-flags.js'
import { hex } from './frame-cases.js'
import { stringBytes, toHex, uintBytes } from './reference-encoder.js'
import { registry } from './registry.js'

export interface LoginTokenCase {
  readonly name: string
  readonly requirement: string
  /** `auth.data`. */
  readonly hex: string
  /** What it says, names normalised; null: it is none, and refused with token-invalid. */
  readonly result: { readonly user: string; readonly device: string; readonly token: string } | null
  readonly flags: readonly AttackFlag[]
}

export interface DictionaryCase {
  readonly name: string
  /** What stands on the wire in the place of the word: a uint. */
  readonly item: string
  /** An element of this name alone. */
  readonly asName: string
  /** The element x with the attribute a of this value. */
  readonly asValue: string
  /** The same spelled out: malformed. [ELM-2] */
  readonly spelledOut: readonly string[]
}

const TOKEN = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'

function good(name: string, user: string, device: string, token = TOKEN, data = `${hex(user)}00${hex(device)}00${token}`): LoginTokenCase {
  return { name, requirement: 'TOK-1', hex: data, result: { user: user.toLowerCase(), device: device.toLowerCase(), token }, flags: [] }
}

function bad(name: string, data: string, ...flags: AttackFlag[]): LoginTokenCase {
  return { name, requirement: 'TOK-1', hex: data, result: null, flags }
}

export const loginTokenCases: readonly LoginTokenCase[] = [
  good('user, device and token', 'bob', 'phone'),
  good('names of one byte', 'b', '7'),
  good('names of 64 bytes', 'b'.repeat(64), 'p'.repeat(64)),
  good('a token of bytes that are all 0', 'bob', 'phone', '00'.repeat(32)),
  good('a token of bytes that are all ff', 'bob', 'phone', 'ff'.repeat(32)),
  good('capitals', 'Bob', 'Phone'),
  bad('nothing', '', 'truncated'),
  bad('no U+0000', `${hex('bobphone')}${'01'.repeat(32)}`, 'truncated'),
  bad('one U+0000', `${hex('bob')}00${'01'.repeat(32)}`, 'truncated'),
  bad('no user', `00${hex('phone')}00${TOKEN}`, 'malformed-name'),
  bad('no device', `${hex('bob')}0000${TOKEN.replaceAll('00', '01')}`, 'malformed-name'),
  bad('a token of 31 bytes', `${hex('bob')}00${hex('phone')}00${TOKEN.slice(2)}`, 'truncated'),
  bad('a token of 33 bytes', `${hex('bob')}00${hex('phone')}00${TOKEN}20`, 'trailing-data'),
  bad('no token', `${hex('bob')}00${hex('phone')}00`, 'truncated'),
  bad('a user name of 65 bytes', `${hex('b'.repeat(65))}00${hex('phone')}00${TOKEN}`, 'malformed-name'),
  bad('a user name that looks like another', `${hex('b\u043eb')}00${hex('phone')}00${TOKEN}`, 'look-alike'),
  bad('a full address in the place of the user', `${hex('bob/phone')}00${hex('phone')}00${TOKEN}`, 'malformed-name'),
  bad('a user name that is not UTF-8', `ff00${hex('phone')}00${TOKEN}`, 'invalid-utf8'),
  bad('a user name with an overlong slash', `${hex('bob')}c0af00${hex('phone')}00${TOKEN}`, 'overlong-utf8'),
  bad('the token in hexadecimal', `${hex('bob')}00${hex('phone')}00${hex(TOKEN)}`, 'trailing-data'),
]

/** The first token's number; below it stand literals, numbers and elements. */
const firstToken = 3

export const dictionaryCases: readonly DictionaryCase[] = registry.tokens.map((name, place) => {
  const item = uintBytes(firstToken + place)
  const x = uintBytes(firstToken + registry.tokens.indexOf('x'))
  const a = [0, ...stringBytes('a')]
  const spelled = [0, ...stringBytes(name)]
  return {
    name,
    item: toHex(item),
    asName: toHex([...item, 0, 0]),
    asValue: toHex([...x, 1, ...a, ...item, 0]),
    spelledOut: [toHex([...spelled, 0, 0]), toHex([...x, 1, ...a, ...spelled, 0])],
  }
})
