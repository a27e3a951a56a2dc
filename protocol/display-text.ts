/** What may stand in the name of a profile or contact, and in an about: text that is shown beside the text of others. */

/** Control characters and what breaks a line. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u
/** Turns the direction of what follows, whatever that is: the trick by which "gpj.exe" reads "exe.jpg". */
const OVERRIDE = /[\u202d\u202e]/
/** Spaces, and what has no shape of its own: joiners, marks of direction, selectors, fillers. */
const INVISIBLE = /^[\s\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cs}\u2800]*$/u

const EMBEDDING_STARTS = '\u202a\u202b'
const EMBEDDING_END = '\u202c'
const ISOLATE_STARTS = '\u2066\u2067\u2068'
const ISOLATE_END = '\u2069'

export type DisplayTextFault = 'malformed' | 'too-long'

/** null: fine, also where it is empty. `charactersMax` counts code points. [PRF-1] */
export function checkDisplayText(text: string, charactersMax: number): DisplayTextFault | null {
  if (text === '') return null
  // A code point has one or two units, so that a longer text need not be counted.
  if (text.length > 2 * charactersMax || [...text].length > charactersMax) return 'too-long'
  if (CONTROL.test(text) || OVERRIDE.test(text) || /\p{Surrogate}/u.test(text) || INVISIBLE.test(text)) return 'malformed'
  return isBalanced(text) ? null : 'malformed'
}

/** Whether every embedding and isolate is closed within the text, each within the other, so that none reaches into what comes behind. */
function isBalanced(text: string): boolean {
  const open: string[] = []
  for (const character of text) {
    if (EMBEDDING_STARTS.includes(character)) open.push(EMBEDDING_END)
    else if (ISOLATE_STARTS.includes(character)) open.push(ISOLATE_END)
    else if (character === EMBEDDING_END || character === ISOLATE_END) {
      if (open.pop() !== character) return false
    }
  }
  return open.length === 0
}
