/**
 * Commands for one conversation that have to wait: for a state to be loaded, or for something to be looked up in the store. They run
 * strictly in the order they came, and as long as a conversation has a gate every command for it goes through: waiting never reorders.
 */
import type { OperationKind } from '../operations/decide.js'
import type { Author } from './author.js'
import { Fifo } from './fifo.js'
import type { Acceptances } from './log-reader.js'
import type { ConversationState } from './conversation-state.js'
import type { Writer } from './writer.js'
import type { Route } from './transaction.js'

export const MESSAGE = 0
export const MARK_READ = 1
export const DELIVERED = 2
const LONE = 3
export const TASK = 4
export const OPERATE = 5

export const EMPTY = new Uint8Array(0)

/** What happens to a conversation beyond its messages, in its turn. */
export interface GateTask {
  /** Who has to be in memory, beside the members; null: nobody, the task is over. Nothing but the conversation is in memory yet. */
  prepare(conversation: ConversationState): readonly string[] | null
  /** Everything is in memory: runs in one turn, and does not throw. */
  run(route: Route): void
}

/** The same where nobody has to be in memory but the conversation. */
export interface LoneTask {
  /** What it reads from the store, with everything accepted so far there; may be called again. */
  read(conversation: ConversationState): Promise<void>
  /** In the turn in which reading has ended, and nothing has happened to the conversation meanwhile. Does not throw. */
  run(conversation: ConversationState): void
}

/** One shape for all kinds; what a kind does not need is empty. */
export class GateCommand {
  readonly kind: typeof MESSAGE | typeof MARK_READ | typeof DELIVERED | typeof LONE | typeof TASK | typeof OPERATE
  /** Whose it is; null: the shard's own. */
  readonly user: { readonly name: string } | null
  readonly author: Author | null
  readonly clientId: number
  readonly seq: number
  readonly text: Uint8Array
  readonly extensions: Uint8Array
  /** Called in the turn in which it took effect, before that is committed. */
  readonly applied: (() => void) | null
  /** Of a TASK. */
  readonly task: GateTask | null
  /** Of an OPERATE; 0: it is none. `seq` is its target. */
  readonly operation: OperationKind | 0
  /** Of a LONE. */
  readonly lone: LoneTask | null

  constructor(
    kind: GateCommand['kind'], user: GateCommand['user'], author: Author | null, clientId: number, seq: number, text: Uint8Array, extensions: Uint8Array,
    applied: (() => void) | null = null, task: GateTask | null = null, operation: OperationKind | 0 = 0,
    lone: LoneTask | null = null,
  ) {
    this.kind = kind
    this.user = user
    this.author = author
    this.clientId = clientId
    this.seq = seq
    this.text = text
    this.extensions = extensions
    this.applied = applied
    this.task = task
    this.operation = operation
    this.lone = lone
  }

  /** What a user asks for. Text and extensions may be views of what was read: they are copied, since they wait. */
  static of(
    kind: GateCommand['kind'], author: Author, clientId: number, seq: number, text: Uint8Array, extensions: Uint8Array, operation: OperationKind | 0 = 0,
  ): GateCommand {
    return new GateCommand(kind, author.user, author, clientId, seq, copyOf(text), copyOf(extensions), null, null, operation)
  }

  /** What the shard does by itself to a conversation, with its members in memory. */
  static withAll(task: GateTask, applied: () => void): GateCommand {
    return new GateCommand(TASK, null, null, 0, 0, EMPTY, EMPTY, applied, task)
  }

  /** The same without anybody. */
  static alone(task: LoneTask, applied: () => void): GateCommand {
    return new GateCommand(LONE, null, null, 0, 0, EMPTY, EMPTY, applied, null, 0, task)
  }
}

export class Gate {
  readonly conversation: string
  readonly commands = new Fifo<GateCommand>()
  /** What looking for one retry has found serves the next: they come in their order, the longest way back first. */
  readonly acceptances = new Map<Writer, Acceptances>()

  constructor(conversation: string) {
    this.conversation = conversation
  }
}

/** A copy of its own; Buffer's own slice would be a view. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes)
}
