/** Hand-chosen addresses, passwords and texts. */
import { hex } from './frame-cases.js'

export interface NormalizeCase {
  readonly name: string
  readonly requirement: string
  readonly input: string
  /** null: refused. */
  readonly result: string | null
}

export interface TextCase {
  readonly name: string
  readonly requirement: string
  readonly hex: string
  /** 0, or the code of the refusal. */
  readonly result: number
}

function each(requirement: string, cases: readonly (readonly [name: string, input: string, result: string | null])[]): NormalizeCase[] {
  return cases.map(([name, input, result]) => ({ name, requirement, input, result }))
}

/** Names of users; devices follow the same rules. */
export const nameCases: readonly NormalizeCase[] = [
  ...each('ADR-1', [
    ['a plain name', 'bob', 'bob'],
    ['one letter', 'b', 'b'],
    ['one digit', '7', '7'],
    ['every kind of character', 'a.b-c_d9', 'a.b-c_d9'],
    ['signs at the end', 'a.-_', 'a.-_'],
    ['64 bytes', 'a'.repeat(64), 'a'.repeat(64)],
    ['65 bytes', 'a'.repeat(65), null],
    ['nothing', '', null],
    ['a full stop first', '.bob', null],
    ['a hyphen first', '-bob', null],
    ['an underscore first', '_bob', null],
  ]),
  ...each('ADR-2', [
    ['capitals', 'BOB', 'bob'],
    ['A and Z', 'AZaz09', 'azaz09'],
    ['a space', 'bo b', null],
    ['a space first', ' bob', null],
    ['a line feed last', 'bob\n', null],
    ['U+0000', 'bob\u0000', null],
    ['a slash', 'bob/phone', null],
    ['a group', '#bob', null],
    ['an at sign', 'bob@example', null],
    ['the signs beside the letters', 'a@[`{', null],
    ['the signs beside the digits', 'a/:', null],
    ['a letter beyond ASCII', 'b\u00f6b', null],
    ['a Cyrillic letter that looks Latin', 'b\u043eb', null],
    ['a full-width letter', '\uff42ob', null],
    ['the Kelvin sign, whose lower case is k', '\u212aob', null],
    ['a dotted capital I', '\u0130bob', null],
    ['a long s', '\u017fbob', null],
    ['a lone surrogate', 'b\ud800', null],
  ]),
]

export const conversationCases: readonly NormalizeCase[] = [
  ...each('ADR-4', [
    ['a user', 'Bob', 'bob'],
    ['a group', '#Team', '#team'],
    ['a group of 64 bytes behind the sign', `#${'a'.repeat(64)}`, `#${'a'.repeat(64)}`],
    ['a group of 65 bytes behind the sign', `#${'a'.repeat(65)}`, null],
    ['the sign alone', '#', null],
    ['two signs', '##a', null],
    ['a full address', 'bob/phone', null],
    ['nothing', '', null],
  ]),
]

/** Result: user, slash, device. */
export const fullAddressCases: readonly NormalizeCase[] = [
  ...each('ADR-4', [
    ['user and device', 'Bob/Phone', 'bob/phone'],
    ['two names of 64 bytes', `${'a'.repeat(64)}/${'b'.repeat(64)}`, `${'a'.repeat(64)}/${'b'.repeat(64)}`],
    ['no device', 'bob', null],
    ['an empty device', 'bob/', null],
    ['an empty user', '/phone', null],
    ['two slashes', 'bob/phone/x', null],
    ['a group with a device', '#team/phone', null],
  ]),
]

export const passwordCases: readonly NormalizeCase[] = [
  ...each('ADR-6', [
    ['ASCII', 'correct horse', 'correct horse'],
    ['spaces at the ends stay', '  x ', '  x '],
    ['case stays', 'PassWord', 'PassWord'],
    ['a no-break space', 'a\u00a0b', 'a b'],
    ['an ideographic space', 'a\u3000b', 'a b'],
    ['a letter and its accent apart', 'e\u0301', '\u00e9'],
    ['a full-width letter stays: NFC, not NFKC', '\uff41', '\uff41'],
    ['beyond the basic plane', '\u{1f512}', '\u{1f512}'],
    ['1024 bytes', 'x'.repeat(1024), 'x'.repeat(1024)],
    ['1025 bytes', 'x'.repeat(1025), null],
    ['1024 bytes once composed', 'e\u0301'.repeat(512), '\u00e9'.repeat(512)],
    ['nothing', '', null],
    ['U+0000', 'a\u0000', null],
    ['a line feed', 'a\n', null],
    ['DEL', 'a\u007f', null],
    ['a control character of C1', 'a\u0085', null],
    ['a lone surrogate', 'a\ud800', null],
  ]),
]

const MALFORMED_TEXT = 406
const TEXT_TOO_LONG = 405

function text(requirement: string, name: string, bytes: string, result: number): TextCase {
  return { name, requirement, hex: bytes, result }
}

export const textCases: readonly TextCase[] = [
  text('MSG-7', 'nothing', '', 0),
  text('MSG-7', 'one letter', '61', 0),
  text('MSG-7', '700 letters', '61'.repeat(700), 0),
  text('MSG-7', '701 letters', '61'.repeat(701), TEXT_TOO_LONG),
  text('MSG-7', '700 characters of 4 bytes', hex('\u{1f600}'.repeat(700)), 0),
  text('MSG-7', '701 characters of 4 bytes', hex('\u{1f600}'.repeat(701)), TEXT_TOO_LONG),
  text('MSG-7', '350 letters with an accent of their own: 700', hex('e\u0301'.repeat(350)), 0),
  text('MSG-7', '351 letters with an accent of their own: 702', hex('e\u0301'.repeat(351)), TEXT_TOO_LONG),
  text('MSG-7', 'a family of 7 code points a hundred times: 700', hex('\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466}'.repeat(100)), 0),
  text('MSG-7', 'a byte order mark counts', `efbbbf${'61'.repeat(700)}`, TEXT_TOO_LONG),
  text('MSG-8', 'control characters other than U+0000', '01090a0d7f', 0),
  text('MSG-8', 'non-characters', hex('\ufffe\uffff\u{1ffff}'), 0),
  text('MSG-8', 'the ends of each width', hex('\u0001\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}'), 0),
  text('MSG-8', 'U+0000', '6100', MALFORMED_TEXT),
  text('MSG-8', 'an overlong U+0000', 'c080', MALFORMED_TEXT),
  text('MSG-8', 'a stray continuation byte', '6180', MALFORMED_TEXT),
  text('MSG-8', 'a character cut off', '61e282', MALFORMED_TEXT),
  text('MSG-8', 'a surrogate', 'eda080', MALFORMED_TEXT),
  text('MSG-8', 'a pair of surrogates', 'eda0bdedb880', MALFORMED_TEXT),
  text('MSG-8', 'beyond U+10FFFF', 'f4908080', MALFORMED_TEXT),
  text('MSG-8', 'an overlong form of 3 bytes', 'e08080', MALFORMED_TEXT),
  text('MSG-8', 'an overlong form of 4 bytes', 'f0808080', MALFORMED_TEXT),
  text('MSG-8', 'a form of 5 bytes', 'f888808080', MALFORMED_TEXT),
  text('MSG-8', 'UTF-16', 'fffe6100', MALFORMED_TEXT),
  text('MSG-8', 'a bad byte at the end of a long text', `${'61'.repeat(699)}ff`, MALFORMED_TEXT),
]
