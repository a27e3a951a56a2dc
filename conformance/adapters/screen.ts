/** The smallest application of the reference client: it shows messages by conversation and seq, as operations have left them. */
import type { Ack, Message, OperationEvent } from '../../protocol/client/core-types.js'
import type { HistoryMessage } from '../../protocol/client/query-elements.js'
import { MessageViews } from '../../protocol/client/message-views.js'

interface ShownMessage extends Pick<Message, 'conversation' | 'seq' | 'from' | 'text' | 'expiresMs'> {
  readonly what: 'message'
  readonly incomplete: boolean
  /** A change of a group; its text is the name of the change. */
  readonly change: boolean
  /** Out of a page of history: its tail, and what operations had made of the message by then. */
  readonly page?: Pick<HistoryMessage, 'editedMs' | 'isDeleted' | 'reactions'> & { readonly tail: number }
}

/** Something that the application was told, and keeps. */
export type Shown =
  | ShownMessage
  | { readonly what: 'operation' } & Pick<OperationEvent, 'conversation' | 'seq' | 'from' | 'target' | 'kind' | 'text'>
  /** Of an operation the text begins with its target. */
  | { readonly what: 'queued'; readonly handle: number; readonly to: string; readonly text: string }
  | { readonly what: 'sent' } & Pick<Ack, 'handle' | 'kind' | 'to' | 'seq' | 'expiresMs'>
  | { readonly what: 'refused'; readonly handle: number; readonly to: string; readonly error: string }

/** What a person sees; made anew from the file after a restart. */
export class Screen {
  readonly conversations = new Map<string, { readonly lines: Map<number, ShownMessage>; readonly views: MessageViews }>()
  readonly refused: { readonly to: string; readonly text: string; readonly error: string }[] = []
  /** Of what was sent, by handle. */
  readonly texts = new Map<number, string>()
  #count = 0
  readonly #user: string
  readonly #key: (seq: number, count: number) => number

  /** @param key under what a message is kept, by its seq and how many came before: of two under one key the person sees the later one */
  constructor(user: string, key: (seq: number, count: number) => number) {
    this.#user = user
    this.#key = key
  }

  show(shown: Shown): void {
    if (shown.what === 'queued') this.texts.set(shown.handle, shown.text)
    else if (shown.what === 'refused') this.refused.push({ to: shown.to, text: this.texts.get(shown.handle) ?? '', error: shown.error })
    else if (shown.what === 'sent') this.#sent(shown)
    else if (shown.what === 'operation') this.#of(shown.conversation).views.apply(shown)
    else {
      const { lines, views } = this.#of(shown.conversation)
      lines.set(this.#key(shown.seq, this.#count++), shown)
      views.add({ ...shown, ...shown.page }, shown.page?.tail ?? 0)
    }
  }

  #sent({ handle, kind, to, seq, expiresMs }: Extract<Shown, { what: 'sent' }>): void {
    const text = this.texts.get(handle) ?? ''
    if (kind === 'message') this.show({ what: 'message', conversation: to, seq, from: this.#user, text, expiresMs, incomplete: false, change: false })
    else if (kind !== 'mark' && seq > 0) {
      const [target = '0', ...words] = text.split(' ')
      this.#of(to).views.apply({ seq, from: this.#user, target: Number(target), kind, text: words.join(' ') })
    }
  }

  #of(conversation: string) {
    const known = this.conversations.get(conversation) ?? { lines: new Map<number, ShownMessage>(), views: new MessageViews(this.#user) }
    this.conversations.set(conversation, known)
    return known
  }

  /** Messages of others above what was read; neither a change of a group, nor what was deleted. [RCP-8] [GRP-21] [OPS-14] */
  unread(conversation: string, read: number): number {
    const { lines, views } = this.#of(conversation)
    const isThere = (seq: number): boolean => views.get(seq)?.isDeleted !== true && views.get(seq)?.isExpired !== true
    return [...lines.values()].filter(({ seq, from, change }) => seq > read && from !== this.#user && !change && isThere(seq)).length
  }

  messages(nowMs: number): unknown[] {
    return [...this.conversations].flatMap(([conversation, { lines, views }]) => {
      const expired = new Set(views.expire(nowMs))
      return [...lines].sort(([one], [other]) => one - other).flatMap(([, { seq, from, text, incomplete, change }]): object[] => {
        const view = views.get(seq)
        if (expired.has(seq) || view?.isExpired === true) return []
        if (change || view === null) return [{ conversation, seq, from, text, change, incomplete }]
        const reactions = Object.fromEntries(view.reactions.map(({ emoji, users }) => [emoji, users]))
        return [{ conversation, seq, from, text: view.text, edited: view.isEdited, deleted: view.isDeleted && !incomplete, incomplete, reactions }]
      })
    })
  }
}
