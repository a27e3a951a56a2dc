/** Keys and pastes of a terminal in raw mode. */
import type { Interface } from 'node:readline'
import { emitKeypressEvents } from 'node:readline'
import type { Key } from './line-editor.js'
import type { World } from './world.js'

/** What `node:readline` says of a key; it knows no name for many. */
interface Keypress {
  readonly name?: string
  readonly ctrl?: boolean
  readonly meta?: boolean
  readonly sequence?: string
}

export interface KeyboardHandlers {
  key(key: Key): void
  /** Text between the marks of a bracketed paste, whole. */
  paste(text: string): void
  /** Nothing more will come. */
  end(): void
}

/** How long the Escape key may turn out to be the beginning of another key. */
export const ESCAPE_CODE_TIMEOUT_MS = 50
/** All that `emitKeypressEvents` reads of an interface. */
const ESCAPE_SOON = { escapeCodeTimeout: ESCAPE_CODE_TIMEOUT_MS } as unknown as Interface

/** Escape, and the beginning of a command; or a key that means nothing here, Alt and /. */
const ESCAPE_AND_SLASH = '\u001b/'

/** Bytes of one paste; more is a mistake. */
const PASTE_CHARACTERS_MAX = 100_000

/** Takes the keyboard; the returned function gives it back. */
export function openKeyboard(stdin: World['stdin'], handlers: KeyboardHandlers): () => void {
  let pasted: string | null = null
  const press = (text: string | undefined, key: Keypress): void => {
    if (key.name === 'paste-start') {
      pasted = ''
    } else if (key.name === 'paste-end') {
      handlers.paste(pasted ?? '')
      pasted = null
    } else if (pasted !== null) {
      if (pasted.length < PASTE_CHARACTERS_MAX) pasted += key.sequence ?? text ?? ''
    } else if (key.sequence === ESCAPE_AND_SLASH) {
      // A slow line brings both at once. Taken for one key, what should have been a command would be sent as a message.
      handlers.key({ name: 'escape', ctrl: false, meta: false, text: '' })
      handlers.key({ name: '/', ctrl: false, meta: false, text: '/' })
    } else {
      handlers.key(asKey(text, key))
    }
  }
  const end = (): void => handlers.end()
  emitKeypressEvents(stdin, ESCAPE_SOON)
  stdin.on('keypress', press)
  stdin.on('end', end)
  stdin.on('close', end)
  stdin.setRawMode?.(true)
  stdin.resume()
  return () => {
    stdin.off('keypress', press)
    stdin.off('end', end)
    stdin.off('close', end)
    stdin.setRawMode?.(false)
    stdin.pause()
  }
}

function asKey(text: string | undefined, key: Keypress): Key {
  const ctrl = key.ctrl === true
  // The Escape key alone is said to be "meta-escape".
  const meta = key.meta === true && key.name !== 'escape'
  const isTyped = text !== undefined && !ctrl && !meta && !/\p{Cc}/u.test(text)
  return { name: key.name ?? '', ctrl, meta, text: isTyped ? text : '' }
}
