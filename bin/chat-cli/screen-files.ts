/** Files on the screen: the commands that send and save them, how they are shown, and how their names are completed. Pure. */
import { canWrite, closedReason } from './screen-groups.js'
import { attachmentText, bytesText } from './attachment-text.js'
import type { Line } from './line-editor.js'
import { safeText } from './safe-text.js'
import type { Effect, PendingMessage, ScreenState, SendEffect, ShownMessage } from './screen-state.js'
import { openConversation } from './screen-state.js'

/** In the help on the screen. */
export const FILE_HELP: readonly string[] = [
  '/send FILE [TEXT]    send a file, "in quotes" if need be; Tab completes it',
  '/fetch [#N] [FOLDER] save the files of a message, the last one or number N',
]

const COMMANDS: readonly string[] = ['send', 'fetch']

/** As Tab completes them. */
export const FILE_COMMANDS: readonly string[] = COMMANDS.map((word) => `/${word}`)

/** How far a file is. */
export interface UploadState {
  readonly name: string
  readonly sent: number
  readonly total: number
}

/** Does what a command says; false: it is none of these. `rest`: what follows its name, as it was typed. */
export function runFileCommand(state: ScreenState, word: string, rest: string, effects: Effect[]): boolean {
  if (!COMMANDS.includes(word)) return false
  const conversation = openConversation(state)
  if (conversation === null) {
    state.notice = `/${word} is for an open conversation`
  } else if (word === 'fetch') {
    fetch(state, rest, effects)
  } else if (!canWrite(conversation)) {
    state.notice = closedReason(conversation)
  } else {
    const { path, rest: text } = firstPath(rest)
    if (path === '') {
      state.notice = 'say which file: /send FILE [TEXT]'
      return true
    }
    const localId = state.nextLocalId
    state.nextLocalId += 1
    state.scroll = 0
    const upload = { name: path.split('/').at(-1) ?? path, sent: 0, total: 0 }
    const again: SendEffect = { kind: 'send-file', localId, to: conversation.name, path, text }
    conversation.pending.push({ localId, text, failure: '', again, upload })
    effects.push(again)
  }
  return true
}

function fetch(state: ScreenState, rest: string, effects: Effect[]): void {
  const conversation = openConversation(state)
  const [, number, folder = ''] = /^(?:#(\d+)(?:\s+|$))?(.*)$/s.exec(rest) ?? []
  const target = conversation?.messages.findLast(({ seq, attachments = [] }) => number === undefined ? attachments.length > 0 : seq === Number(number))
  if (conversation === null) return
  if (target === undefined || (target.attachments ?? []).length === 0) {
    state.notice = number === undefined ? 'there is no file in what is shown here' : `message #${number} carries no file, or is not shown here: /numbers shows them`
    return
  }
  state.notice = 'fetching …'
  effects.push({ kind: 'fetch', conversation: conversation.name, seq: target.seq, attachments: target.attachments ?? [], folder: firstPath(folder).path })
}

/** The first word as the name of a file, in quotes or with spaces behind backslashes; and what follows it. */
export function firstPath(text: string): { path: string; rest: string } {
  const quoted = /^"([^"]*)"?\s*([\s\S]*)$/.exec(text)
  if (quoted !== null) return { path: quoted[1] ?? '', rest: quoted[2] ?? '' }
  const [, word = '', rest = ''] = /^((?:\\.|[^\s\\])*)\s*([\s\S]*)$/.exec(text) ?? []
  return { path: word.replace(/\\(.)/g, '$1'), rest }
}

/** The name of a file that the cursor stands behind; null: it stands elsewhere. */
export function pathBeforeCursor({ before }: Line): string | null {
  const text = /^\/send\s+([\s\S]*)$/.exec(before)?.[1]
  if (text === undefined) return null
  const isQuoted = text.startsWith('"')
  if (isQuoted ? text.slice(1).includes('"') : /^(?:\\.|[^\s\\])*\s/.test(text)) return null
  return firstPath(text).path
}

/** Names that are told; a list that nobody can read helps nobody. */
const CHOICES_MAX = 20

/** The line with the name completed as far as all names agree; `names` begin with what `pathBeforeCursor` said, folders end with a slash. */
export function completePath(line: Line, names: readonly string[]): { line: Line; choices: readonly string[] } {
  const typed = pathBeforeCursor(line)
  const [first] = names
  if (typed === null || first === undefined) return { line, choices: [] }
  let length = first.length
  for (const name of names) while (!name.startsWith(first.slice(0, length))) length -= 1
  const [, head = '', quote = ''] = /^(\/send\s+)("?)/.exec(line.before) ?? []
  // Names may differ within a character, and half of one is none.
  const common = first.slice(0, length).replace(/[\ud800-\udbff]$/, '')
  const word = quote === '' ? common.replace(/[\s\\"]/g, '\\$&') : common
  const isWhole = names.length === 1 && !first.endsWith('/')
  return {
    line: { before: `${head}${quote}${word}${isWhole ? `${quote} ` : ''}`, after: line.after },
    choices: names.length > 1 ? names.slice(0, CHOICES_MAX).map((name) => name.replace(/\/$/, '').split('/').at(-1) ?? name) : [],
  }
}

/** A line for each file of a message, safe for a terminal. */
export function attachmentLines({ attachments = [], isDeleted = false }: Pick<ShownMessage, 'attachments' | 'isDeleted'>): readonly string[] {
  return isDeleted ? [] : attachments.map((attachment) => attachmentText(attachment))
}

/** `📎 beach.jpg 45 %, 1.1 MiB of 2.4 MiB`; '' for what uploads nothing. Safe for a terminal. */
export function uploadLine({ upload, failure }: Pick<PendingMessage, 'upload' | 'failure'>): string {
  if (upload === undefined) return ''
  const { name, sent, total } = upload
  const far = failure !== '' || total === 0 ? '' : ` ${Math.floor(sent / total * 100)} %, ${bytesText(sent)} of ${bytesText(total)}`
  return `📎 ${safeText(name)}${far}`
}

/** Of the first file that is on its way anywhere; '' for none. */
export function uploadNotice(state: ScreenState): string {
  for (const { pending } of state.conversations.values()) {
    const uploading = pending.find(({ upload, failure }) => upload !== undefined && failure === '')
    if (uploading !== undefined) return uploadLine(uploading)
  }
  return ''
}
