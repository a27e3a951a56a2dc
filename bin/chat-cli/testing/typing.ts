/** A person at the keyboard, for tests of the screen. */
import type { Effect, ScreenEvent, ScreenState } from '../screen-state.js'
import { update } from '../screen-update.js'

export function key(name: string, text = '', ctrl = false): ScreenEvent {
  return { kind: 'key', key: { name, ctrl, meta: false, text } }
}

/** Leaves it in the line. */
export function typeOnly(state: ScreenState, text: string): void {
  for (const character of text) update(state, key(character, character))
}

/** And Return: what follows from that. */
export function type(state: ScreenState, text: string): Effect[] {
  typeOnly(state, text)
  return update(state, key('return'))
}
