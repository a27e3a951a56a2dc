/**
 * What shards ask and tell each other beside their channels: one table by name, with what a shard answers and the forms in which questions
 * and answers go to another process. Nothing else can be asked.
 */
import type { PresenceState, Told, Viewing } from '../presence/news.js'
import { PairSide } from '../profiles/pair.js'
import type { Report } from '../profiles/service.js'
import type { Admissions } from '../accounts/admissions.js'
import type { LocalRouter } from '../router/local-router.js'
import type { Verifier } from '../router/router.js'
import type { GroupCounts, VisitorFacts } from './federation.js'
import type { Blob } from '../blobs/blob-router.js'
import { awaitsLoan, heldFacts, homeBlob, lend, mustCarry } from '../holdings/elsewhere.js'
import type { Lent } from '../holdings/homes.js'
import { decodeDescription, encodeDescription, type HeldFacts } from '../holdings/rows.js'
import { bytes, count, flag, type Form, FormError, listOf, madeOf, nothing, orNull, record, text } from './forms.js'

interface Question<A extends readonly unknown[], T> {
  readonly args: { readonly [K in keyof A]: Form<A[K]> }
  readonly answer: Form<T>
  /** What the shard that is asked says. Rejects with RouterError. */
  readonly of: (router: LocalRouter, ...args: A) => Promise<T>
}

function question<A extends readonly unknown[], T>(
  args: { readonly [K in keyof A]: Form<A[K]> }, answer: Form<T>, of: (router: LocalRouter, ...args: A) => Promise<T>,
): Question<A, T> {
  return { args, answer, of }
}

/** The shard that asks or tells, which can be no other than the one whose link it is. */
const asker: Form<number> = { ...count }

const visitorFacts = record<VisitorFacts>({ exists: flag, readReceipts: flag })
const groupCounts = record<GroupCounts>({ member: count, guest: count })
const pairSide = madeOf(
  record({ blockedFrom: count, isContact: flag, hasWritten: flag, hidden: listOf(record({ first: count, last: count })) }),
  ({ blockedFrom, isContact, hasWritten, hidden }) => new PairSide(blockedFrom, isContact, hasWritten, hidden),
  (side) => side,
)
const reported = listOf(record<Report['messages'][number]>({ seq: count, from: text, timeMs: count, text: bytes }))
const verifier = record<Verifier>({ salt: bytes, iterations: count, storedKey: bytes, serverKey: bytes })
const viewing = record<Viewing>({ viewer: text, user: text })
const told = record<Told>({ life: count, number: count })
const presenceState = record<PresenceState>({ user: text, isActive: flag, lastSeenMs: count })

const blob = madeOf(bytes, (wire) => described(wire), (value: Blob) => encodeDescription(value))
const lent = record<Lent>({ blob, number: count })
const facts = record<HeldFacts>({ size: count, type: text })

function described(wire: Uint8Array): Blob {
  try {
    return decodeDescription(wire)
  } catch (error) {
    throw new FormError('not the description of a blob', { cause: error })
  }
}

export const QUESTIONS = {
  /** What is on disk there of one of its users. */
  visitor: question([text], visitorFacts, (router, user) => router.visitorFacts(user)),
  /** How one of its users looks at another with whom there is no conversation. */
  side: question([text, text], pairSide, (router, user, other) => router.side(user, other)),
  groupCounts: question([text], groupCounts, (router, user) => router.groups.counts(user)),
  /** Rejects where one of the asking shard's users may read nothing of the conversation, which is at home there. */
  mustRead: question([text, text], nothing, (router, user, conversation) => router.mustRead(user, conversation)),
  /** What was said last in a conversation that is at home there and is still to be seen by one of the asking shard's users, ascending. */
  lastMessages: question([text, text], reported, (router, user, conversation) => router.profiles.lastMessages(user, conversation)),
  /** Who may be told that one of the asking shard's users types in a conversation that is at home there. */
  audience: question([text, text], listOf(text), (router, user, conversation) => router.presence.audience(user, conversation)),
  /** Whether there is an invite of this id. */
  isInvite: question([text], flag, (router, id) => router.isInvite(id)),
  /** Whether the invite, by its id and the hash of its secret, is at home there and lets this user in. */
  isInviteOpen: question([text, bytes, text], flag, (router, id, secretHash, user) => admissionsOf(router).isOpenTo(id, secretHash, user)),
  /** Counts a use of it, which makes the account over the channel, unless that is under way. */
  useInvite: question([text, bytes, text, verifier], nothing, (router, id, secretHash, user, keys) => admissionsOf(router).use(id, secretHash, user, keys)),
  /** What its users show to those of the asking shard who watch them from now on, by the number of a request in a life of that shard. */
  watched: question([asker, count, count, listOf(viewing)], listOf(count), (router, from, life, number, viewings) =>
    router.presence.watched(from, life, number, viewings)),
  /** What the asking shard should have been told by now of the users it watches there. */
  watchesRenewed: question([asker, count], told, async (router, from, life) => Promise.resolve(router.presence.watchesRenewed(from, life))),
  /** What one of its users, in whose name messages of the asking shard are to carry them, holds of these blobs; null: it does not. */
  heldBlobs: question([text, listOf(text)], listOf(orNull(facts)), (router, user, ids) => heldFacts(router.shard, user, ids)),
  /** A blob that is at home there, kept from then on for the asking shard to take; null: there is none. */
  lendBlob: question([text, asker], orNull(lent), (router, id, to) => lend(router.shard, id, to)),
  /** Whether it may still take a blob that it was lent; all that it has given the asking shard by then has been taken. */
  awaitsLoan: question([text], flag, (router, id) => awaitsLoan(router.shard, id)),
  /** A blob that is at home there; null: there is none. */
  homeBlob: question([text], orNull(blob), (router, id) => homeBlob(router.shard, id)),
  /** Rejects where one of the asking shard's users may not read the blob in a message there. */
  mustCarry: question([text, text, count, text], nothing, (router, user, conversation, seq, id) => mustCarry(router.shard, user, conversation, seq, id)),
  /** Whether nothing is left of what a message said, in a conversation that is at home there. */
  isGone: question([text, count], flag, (router, conversation, seq) => router.shard.reading(router.shard.isGone(conversation, seq))),
}

/** Nobody waits for these, and they may be lost. */
export const NOTICES = {
  /** A user types in a conversation, of which these users of that shard are told. */
  typing: question([text, text, listOf(text), count], nothing, (router, from, conversation, users, kind) =>
    router.presence.hear(from, conversation, users, kind)),
  /** What users do whom the shard watches, and of which of them it should ask anew what they show. */
  presence: question([asker, told, listOf(presenceState), listOf(viewing)], nothing, async (router, from, number, states, changes) => {
    router.presence.heard(from, number, states, changes)
    return Promise.resolve()
  }),
  /** A shard watches these users no more, unless it has asked for them by a later number. */
  unwatched: question([asker, count, count, listOf(text)], nothing, async (router, from, life, number, users) => {
    router.presence.unwatched(from, life, number, users)
    return Promise.resolve()
  }),
}

function admissionsOf({ admissions }: LocalRouter): Admissions {
  if (admissions === null) throw new TypeError('there are no other shards')
  return admissions
}

export type QuestionName = keyof typeof QUESTIONS
export type NoticeName = keyof typeof NOTICES

type Table = typeof QUESTIONS & typeof NOTICES
type ArgsOf<Q> = Q extends Question<infer A, infer _T> ? A : never

export type ArgsOfQuestion<N extends keyof Table> = ArgsOf<Table[N]>
export type AnswerOf<N extends QuestionName> = Table[N] extends Question<infer _A, infer T> ? T : never

/** Has the shard behind the router answer. */
export function answer<N extends QuestionName>(router: LocalRouter, name: N, args: ArgsOfQuestion<N>): Promise<AnswerOf<N>> {
  const { of } = QUESTIONS[name] as unknown as Question<ArgsOfQuestion<N>, AnswerOf<N>>
  return of(router, ...args)
}

/** Has the shard behind the router hear a notice. What becomes of it concerns nobody. */
export function hear<N extends NoticeName>(router: LocalRouter, name: N, args: ArgsOfQuestion<N>): void {
  const { of } = NOTICES[name] as unknown as Question<ArgsOfQuestion<N>, void>
  of(router, ...args).catch(() => undefined)
}

// ——— Between processes ———

type AnyQuestion = Question<readonly unknown[], unknown>

const QUESTION_ROWS: ReadonlyMap<string, AnyQuestion> = rowsOf(QUESTIONS)
const NOTICE_ROWS: ReadonlyMap<string, AnyQuestion> = rowsOf(NOTICES)

function rowsOf(table: object): ReadonlyMap<string, AnyQuestion> {
  return new Map(Object.entries(table) as [string, AnyQuestion][])
}

/** The arguments of a question or notice as they go to another process. */
export function writeArgs<N extends keyof Table>(name: N, args: ArgsOfQuestion<N>): unknown[] {
  const forms = (QUESTION_ROWS.get(name) ?? NOTICE_ROWS.get(name))?.args ?? []
  return (args as readonly unknown[]).map((value, at) => forms[at]?.write(value))
}

/** Throws FormError where another process's answer is none. */
export function readAnswer<N extends QuestionName>(name: N, wire: unknown): AnswerOf<N> {
  return QUESTIONS[name].answer.read(wire) as AnswerOf<N>
}

/** What a shard of another process asks, answered in the forms that go back to it; null: there is no such question. Rejects with RouterError, or FormError. */
export function answerWire(router: LocalRouter, from: number, name: string, wire: readonly unknown[]): Promise<unknown> | null {
  const row = QUESTION_ROWS.get(name)
  return row === undefined ? null : perform(row, router, from, wire)
}

/** A notice of a shard of another process; what is wrong with it is told. */
export async function hearWire(router: LocalRouter, from: number, name: string, wire: readonly unknown[]): Promise<void> {
  const row = NOTICE_ROWS.get(name)
  if (row !== undefined) await perform(row, router, from, wire)
}

async function perform(row: AnyQuestion, router: LocalRouter, from: number, wire: readonly unknown[]): Promise<unknown> {
  if (wire.length < row.args.length) throw new FormError('arguments are missing')
  const args = row.args.map((form, at) => form.read(wire[at]))
  if (row.args.some((form, at) => form === asker && args[at] !== from)) throw new FormError('a shard asks and tells for itself alone')
  return row.answer.write(await row.of(router, ...args))
}
