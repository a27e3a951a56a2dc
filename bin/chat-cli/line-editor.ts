/** The line being typed: pure functions from a line and a key to the next line. */
import { characters } from './text-width.js'

/** One key, as `node:readline` names it. `text` is what it types; empty for a key that types nothing. */
export interface Key {
  readonly name: string
  readonly ctrl: boolean
  readonly meta: boolean
  readonly text: string
}

/** Text before and behind the cursor. */
export interface Line {
  readonly before: string
  readonly after: string
}

export const EMPTY_LINE: Line = { before: '', after: '' }

export function lineText(line: Line): string {
  return line.before + line.after
}

/** The line with `text` typed in. */
export function typeText(line: Line, text: string): Line {
  return { before: line.before + text, after: line.after }
}

/** The line after an editing key; null: the key does not edit. */
export function editLine(line: Line, key: Key): Line | null {
  const { before, after } = line
  switch (keyName(key)) {
    case 'backspace': case 'ctrl-h': return { before: withoutLast(before), after }
    case 'delete': return { before, after: withoutFirst(after) }
    case 'left': case 'ctrl-b': {
      const rest = withoutLast(before)
      return { before: rest, after: before.slice(rest.length) + after }
    }
    case 'right': case 'ctrl-f': {
      const rest = withoutFirst(after)
      return { before: before + after.slice(0, after.length - rest.length), after: rest }
    }
    case 'home': case 'ctrl-a': return { before: '', after: before + after }
    case 'end': case 'ctrl-e': return { before: before + after, after: '' }
    case 'ctrl-u': return { before: '', after }
    case 'ctrl-k': return { before, after: '' }
    case 'ctrl-w': case 'meta-backspace': return { before: before.replace(/\S*\s*$/, ''), after }
    default: return key.text === '' ? null : typeText(line, key.text)
  }
}

/** `ctrl-a`, `meta-backspace`, `left` … */
export function keyName(key: Key): string {
  return `${key.ctrl ? 'ctrl-' : ''}${key.meta ? 'meta-' : ''}${key.name}`
}

function withoutLast(text: string): string {
  return characters(text).slice(0, -1).join('')
}

function withoutFirst(text: string): string {
  return characters(text).slice(1).join('')
}
