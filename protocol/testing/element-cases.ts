/** Hand-chosen element trees, and encodings that are not any tree's. Bytes are those of the element alone, without the field's length. */
import type { AttackFlag } from './attack-flags.js'
import { elementBytes, stringBytes, toHex, uintBytes } from './reference-encoder.js'
import type { JsonElement } from './reference-encoder.js'

export interface ElementCase {
  readonly name: string
  readonly tree: JsonElement
  readonly xml: string
}

export interface InvalidElementCase {
  readonly name: string
  readonly requirement: string
  readonly flags: readonly AttackFlag[]
  readonly hex: string
}

function tree(name: string, attributes: Record<string, string> = {}, ...children: (JsonElement | string)[]): JsonElement {
  return { name, attributes, children }
}

function nested(depth: number): JsonElement {
  return depth === 1 ? tree('x') : tree('x', {}, nested(depth - 1))
}

function nestedXml(depth: number): string {
  return depth === 1 ? '<x/>' : `<x>${nestedXml(depth - 1)}</x>`
}

/** `count` attributes a00, a01, … */
function manyAttributes(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${String(index).padStart(2, '0')}`, '']))
}

function list(nodes: number): JsonElement {
  return tree('x', {}, ...Array.from({ length: nodes - 1 }, () => tree('x')))
}

export const validElements: readonly ElementCase[] = [
  { name: 'a token alone', tree: tree('devices'), xml: '<devices/>' },
  { name: 'a name beyond the dictionary', tree: tree('_Foo.bar-1'), xml: '<_Foo.bar-1/>' },
  { name: 'a name of 64 bytes', tree: tree('n'.repeat(64)), xml: `<${'n'.repeat(64)}/>` },
  { name: 'attributes in order', tree: tree('history', { limit: '20', with: 'bob' }), xml: '<history limit="20" with="bob"/>' },
  { name: 'an empty value', tree: tree('settings', { foo: '' }), xml: '<settings foo=""/>' },
  { name: 'a value that is a token', tree: tree('settings', { 'read-receipts': 'off' }), xml: '<settings read-receipts="off"/>' },
  { name: 'number 0', tree: tree('x', { a: '0' }), xml: '<x a="0"/>' },
  { name: 'number 2^53 - 1', tree: tree('x', { a: '9007199254740991' }), xml: '<x a="9007199254740991"/>' },
  { name: '2^53, which is a string', tree: tree('x', { a: '9007199254740992' }), xml: '<x a="9007199254740992"/>' },
  { name: 'digits with a leading zero, which are a string', tree: tree('x', { a: '007' }), xml: '<x a="007"/>' },
  { name: 'a negative number, which is a string', tree: tree('x', { a: '-1' }), xml: '<x a="-1"/>' },
  { name: 'digits beyond ASCII, which are a string', tree: tree('x', { a: '\u0661' }), xml: '<x a="\u0661"/>' },
  { name: 'a text', tree: tree('body', {}, 'h\u00e9llo \u{1f600}'), xml: '<body>h\u00e9llo \u{1f600}</body>' },
  { name: 'a text that is a number', tree: tree('body', {}, '7'), xml: '<body>7</body>' },
  { name: 'a text that is a token', tree: tree('body', {}, 'on'), xml: '<body>on</body>' },
  { name: 'a text of one space', tree: tree('body', {}, ' '), xml: '<body> </body>' },
  { name: 'a text with a control character', tree: tree('body', {}, 'a\u0001b\\'), xml: '<body>a\\u{1}b\\u{5c}</body>' },
  { name: 'texts and elements mixed', tree: tree('x', {}, 'a', tree('x'), 'b', tree('x'), tree('x')), xml: '<x>a<x/>b<x/><x/></x>' },
  { name: '8 levels', tree: nested(8), xml: nestedXml(8) },
  {
    name: '32 attributes', tree: tree('x', manyAttributes(32)),
    xml: `<x ${Object.keys(manyAttributes(32)).map((name) => `${name}=""`).join(' ')}/>`,
  },
]

/** A token's item; `x` is one of them. */
const X = 3 + 13
const BODY = 3

function bad(flags: readonly AttackFlag[], requirement: string, name: string, ...bytes: (number | readonly number[])[]): InvalidElementCase {
  return { name, requirement, flags, hex: toHex(bytes.flat()) }
}

export const invalidElements: readonly InvalidElementCase[] = [
  bad(['empty'], 'ELM-1', 'nothing'),
  bad(['truncated'], 'ELM-1', 'cut off behind the name', X),
  bad(['truncated'], 'ELM-1', 'cut off behind the attributes', X, 0),
  bad(['truncated'], 'ELM-1', 'cut off within an attribute', X, 1, 0, stringBytes('a')),
  bad(['truncated'], 'ELM-1', 'cut off within the children', X, 0, 1),
  bad(['trailing-data'], 'ELM-8', 'followed by a byte', X, 0, 0, 0),
  bad(['unknown-token'], 'ELM-2', 'a token beyond the dictionary', 3 + 127, 0, 0),
  bad(['unknown-token', 'number-overflow'], 'ELM-2', 'a token far beyond the dictionary', uintBytes(2 ** 40), 0, 0),
  bad(['non-canonical'], 'ELM-2', 'a token in a longer form', 0x80 | X, 0x00, 0, 0),
  bad(['non-canonical'], 'ELM-2', 'a name spelled out that is a token', 0, stringBytes('body'), 0, 0),
  bad(['non-canonical'], 'ELM-2', 'a value spelled out that is a token', X, 1, 0, stringBytes('a'), 0, stringBytes('on'), 0),
  bad(['non-canonical'], 'ELM-2', 'a text spelled out that is a token', BODY, 0, 1, 0, stringBytes('on')),
  bad(['non-canonical'], 'ELM-2', 'a value spelled out that is a number', X, 1, 0, stringBytes('a'), 0, stringBytes('7'), 0),
  bad(['non-canonical'], 'ELM-2', 'a text spelled out that is a number', BODY, 0, 1, 0, stringBytes('9007199254740991')),
  bad(['non-canonical'], 'ELM-2', 'a number in a longer form', X, 1, 0, stringBytes('a'), 1, 0x87, 0x00, 0),
  bad(['wrong-kind'], 'ELM-2', 'an element as a value', X, 1, 0, stringBytes('a'), 2, 0),
  bad(['wrong-kind'], 'ELM-7', 'a number as a name', 1, 7, 0, 0),
  bad(['wrong-kind'], 'ELM-7', 'an element as a name', 2, X, 0, 0, 0, 0),
  bad(['malformed-name'], 'ELM-7', 'an empty name', 0, 0, 0, 0),
  bad(['malformed-name', 'markup'], 'ELM-7', 'a name with a space', 0, stringBytes('a b'), 0, 0),
  bad(['malformed-name', 'markup'], 'ELM-7', 'a name with a colon', 0, stringBytes('a:b'), 0, 0),
  bad(['malformed-name'], 'ELM-7', 'a name that begins with a digit', 0, stringBytes('1a'), 0, 0),
  bad(['malformed-name'], 'ELM-7', 'a name that begins with a hyphen', 0, stringBytes('-a'), 0, 0),
  bad(['malformed-name', 'look-alike'], 'ELM-7', 'a name beyond ASCII', 0, stringBytes('\u00e9'), 0, 0),
  bad(['malformed-name', 'too-many'], 'ELM-7', 'a name of 65 bytes', 0, stringBytes('n'.repeat(65)), 0, 0),
  bad(['malformed-name'], 'ELM-7', 'an attribute with an empty name', X, 1, 0, 0, 1, 7, 0),
  bad(['invalid-utf8'], 'FRM-9', 'a text that is not UTF-8', BODY, 0, 1, 0, 1, 0xff),
  bad(['embedded-nul'], 'FRM-9', 'a text with U+0000', BODY, 0, 1, 0, 1, 0),
  bad(['non-canonical'], 'ELM-4', 'attributes in falling order', X, 2, 0, stringBytes('b'), 1, 1, 0, stringBytes('a'), 1, 1, 0),
  bad(['duplicate'], 'ELM-4', 'an attribute given twice', X, 2, 0, stringBytes('a'), 1, 1, 0, stringBytes('a'), 1, 1, 0),
  bad(['non-canonical'], 'ELM-4', 'with before from: the order of their tokens, not of their bytes', X, 2, 3 + 14, 1, 1, 3 + 15, 1, 1, 0),
  bad(['non-canonical'], 'ELM-5', 'an empty text', BODY, 0, 1, 0, 0),
  bad(['non-canonical'], 'ELM-5', 'two texts next to each other', BODY, 0, 2, 0, stringBytes('a'), 0, stringBytes('b')),
  bad(['deep'], 'ELM-3', '9 levels', elementBytes(nested(9))),
  bad(['too-many'], 'ELM-3', '33 attributes', elementBytes(tree('x', manyAttributes(33)))),
  bad(['too-many', 'huge-length'], 'ELM-3', '2^53 - 1 attributes', X, uintBytes(Number.MAX_SAFE_INTEGER)),
  bad(['too-many', 'huge-length'], 'ELM-3', '2^53 - 1 children', X, 0, uintBytes(Number.MAX_SAFE_INTEGER)),
]

/** At the limit of nodes: too large for a file of vectors. */
export const largeValidElements: readonly ElementCase[] = [
  { name: '4096 nodes', tree: list(4096), xml: `<x>${'<x/>'.repeat(4095)}</x>` },
]

export const largeInvalidElements: readonly InvalidElementCase[] = [
  bad(['too-many'], 'ELM-3', '4097 nodes', elementBytes(list(4097))),
  bad(['too-many'], 'ELM-3', '4097 nodes, the last a text', elementBytes({ ...list(4096), children: [...list(4096).children, 'a'] })),
]
