/** What bytes that a receiver refuses try, by name; the vectors carry the names, their schema what they mean. */
export const attackFlags = {
  empty: 'nothing where something has to be: indexes run below the beginning',
  'non-canonical': 'another spelling of the same: who compares, signs or filters bytes sees something else than who decodes them',
  duplicate: 'the same key twice: one reader takes the first, another the last',
  'trailing-data': 'bytes behind the end: what is smuggled past one reader is read by another',
  truncated: 'less than was said',
  'over-read': 'a length beyond the end of what holds it: memory of others is read',
  'huge-length': 'more is announced than there can be: memory is taken before it comes',
  endless: 'a number without an end: a reader that never stops',
  'number-overflow': 'beyond what a number holds: it wraps, or loses its last digits',
  'too-many': 'more items than may be: time and memory for each',
  deep: 'levels without end: a stack that overflows',
  'embedded-nul': 'U+0000: a text ends early for who is written in C',
  'invalid-utf8': 'bytes that are no text: each reader makes another text of them',
  'overlong-utf8': 'a character in a longer form: it passes a filter, and means the same behind it',
  critical: 'something that must not be ignored by who does not know it',
  'unknown-token': 'a word that no dictionary has: an index beyond the table',
  'wrong-kind': 'something of another kind than stands there: one type taken for another',
  'malformed-name': 'a name that is none, and means something to whoever it is handed on to',
  markup: 'signs that mean something in XML',
  'look-alike': 'a name that a person takes for another',
} as const

export type AttackFlag = keyof typeof attackFlags
