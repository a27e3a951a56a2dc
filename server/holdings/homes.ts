/**
 * The home of a blob among several shards: it knows which shards hold the blob, and it alone decides that bytes go. Every change is made in
 * the transaction that is open and in one turn, with all states it needs in memory. Pure: nothing is read.
 *
 *     lend   a shard is about to hold it: what it is told of stays until the shard has taken it, or says that it is not to come
 *     hold   a shard has it; comes behind the loan, or brings bytes that the shard has put into the store itself
 *     drop   the shard has it no more
 *
 * `hold` and `drop` come over channels, so they count once, in the order in which the shard has given them. A loan is beside that order: it stays
 * where an earlier hold is dropped, and ends with the hold that names it.
 */
import { endKey } from '../../storage/blob-keys.js'
import type { Blob } from '../blobs/blob-router.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { Transaction } from '../shard/transaction.js'
import { encodeContents, LISTED, type Loan, type SharedContent } from './rows.js'
import { mergedBlob, objectsOf } from './merge.js'
import type { HomeState, TotalsState } from './states.js'

/** What a shard is told of a blob that it is about to hold. */
export interface Lent {
  readonly blob: Blob
  /** Of the loan. */
  readonly number: number
}

export interface HomesHost {
  readonly environment: Pick<ShardEnvironment, 'limits'>
  /** The one that fills at present. */
  readonly transaction: Transaction
  readonly nowMs: number
  wakeBlobs(list: 'ends', dueMs: number): void
}

/** What is written of a blob at its home. */
export interface BlobHome {
  readonly state: HomeState
  readonly totals: TotalsState
}

/** What becomes of the store. */
export interface StoreAccount {
  /** So many more bytes are in it. */
  stores(totals: TotalsState, bytes: number): void
  /** Nobody names these any more. */
  erase(objects: readonly string[], atMs: number): void
}

export class BlobHomes {
  readonly #host: HomesHost
  readonly #store: StoreAccount

  constructor(host: HomesHost, store: StoreAccount) {
    this.#host = host
    this.#store = store
  }

  /** null: there is no such blob, or none any more. */
  lend(home: BlobHome, shard: number): Lent | null {
    const { state } = home
    const content = contentFor(state, shard)
    if (content === null) return null
    const endsMs = this.#endOfNext(state, shard)
    const loan: Loan = { shard, number: endsMs, endsMs }
    for (const each of content.loans) if (each.shard === shard) this.#unlist(state, each)
    this.#list(state, loan)
    this.#set(home, state.contents.map((each) => each === content ? { ...each, loans: [...each.loans.filter((other) => other.shard !== shard), loan] } : each))
    return { blob: content.blob, number: loan.number }
  }

  /** `loan`: by which the shard knows of it; 0: it has put these bytes into the store itself. */
  hold(home: BlobHome, shard: number, blob: Blob, loan: number): void {
    const { state } = home
    const { object } = blob.content
    const known = state.contents.find((each) => each.blob.content.object === object)
    // Nobody was to keep it for the shard any more, which has dropped it, too: that comes next.
    if (known === undefined && loan > 0) return
    const held: SharedContent = known === undefined
      ? { blob, holders: [shard], loans: [] }
      : { ...known, blob: withObjectsOf(known.blob, blob), holders: [...known.holders.filter((each) => each !== shard), shard] }
    const others = state.contents.filter((each) => each !== known).map((each) => without(each, shard))
    this.#set(home, this.#repaid(state, known === undefined ? [...others, held] : [held, ...others], shard, loan))
  }

  drop(home: BlobHome, shard: number): void {
    this.#set(home, home.state.contents.map((each) => without(each, shard)))
  }

  /** The shard says that it is not to take what it was lent, or has. */
  endLoan(home: BlobHome, { shard, number }: Loan): void {
    this.#set(home, this.#repaid(home.state, home.state.contents, shard, number))
  }

  /** The shard is still to take it, or nobody knows: it is asked again. */
  prolong(home: BlobHome, loan: Loan): void {
    const { state } = home
    const prolonged = { ...loan, endsMs: this.#endOfNext(state, loan.shard) }
    this.#unlist(state, loan)
    this.#list(state, prolonged)
    this.#set(home, state.contents.map((each) => ({ ...each, loans: each.loans.map((other) => other === loan ? prolonged : other) })))
  }

  /** Of no other loan to the shard. */
  #endOfNext(state: HomeState, shard: number): number {
    return Math.max(this.#host.nowMs + this.#host.environment.limits.blobLoanMs, ...loansOf(state, shard).map(({ number, endsMs }) => 1 + Math.max(number, endsMs)))
  }

  #list(state: HomeState, loan: Loan): void {
    this.#host.transaction.batch.put(endKey(loan.endsMs, 'loan', loanName(state, loan)), LISTED)
    this.#host.wakeBlobs('ends', loan.endsMs)
  }

  #repaid(state: HomeState, contents: readonly SharedContent[], shard: number, number: number): readonly SharedContent[] {
    if (number === 0) return contents
    return contents.map((each) => {
      const loan = each.loans.find((other) => other.shard === shard && other.number === number)
      if (loan === undefined) return each
      this.#unlist(state, loan)
      return { ...each, loans: each.loans.filter((other) => other !== loan) }
    })
  }

  #unlist(state: HomeState, loan: Loan): void {
    this.#host.transaction.batch.delete(endKey(loan.endsMs, 'loan', loanName(state, loan)))
  }

  /** What neither a shard nor a loan names goes. */
  #set({ state, totals }: BlobHome, contents: readonly SharedContent[]): void {
    const { transaction } = this.#host
    const before = bytesByObject(state.contents)
    state.contents = contents.filter(({ holders, loans }) => holders.length > 0 || loans.length > 0)
    transaction.touch(state)
    if (state.contents.length === 0) transaction.batch.delete(state.key)
    else transaction.batch.put(state.key, encodeContents(state.contents))
    const after = bytesByObject(state.contents)
    const gone = [...before.keys()].filter((object) => !after.has(object))
    const bytes = sum(after) - sum(before)
    if (bytes !== 0) this.#store.stores(totals, bytes)
    this.#store.erase(gone, 0)
  }
}

/** What a shard is told of, which has or gets nothing of it yet: what is kept for it stays together. null: there is nothing. */
export function contentFor({ contents }: HomeState, shard: number): SharedContent | null {
  return contents.find(({ holders }) => holders.includes(shard)) ?? contents[0] ?? null
}

/** What there is of a blob, whoever has which smaller versions of it; null: nothing. */
export function storedBlob({ contents }: Pick<HomeState, 'contents'>): Blob | null {
  const [first, ...others] = contents
  return first === undefined ? null : others.reduce((known, { blob }) => mergedBlob(known, blob), first.blob)
}

/** The loan that ends then, by the name in the list of ends; null: it is over. */
export function listedLoan(state: HomeState, shard: number, endsMs: number): Loan | null {
  return loansOf(state, shard).find((loan) => loan.endsMs === endsMs) ?? null
}

/** `blob/shard` of the name in the list of ends. */
export function loanAt(name: string): { readonly blob: string, readonly shard: number } {
  const slash = name.indexOf('/')
  return { blob: name.slice(0, slash), shard: Number(name.slice(slash + 1)) }
}

function loanName({ name }: HomeState, { shard }: Loan): string {
  return `${name}/${String(shard)}`
}

function loansOf({ contents }: HomeState, shard: number): Loan[] {
  return contents.flatMap(({ loans }) => loans.filter((loan) => loan.shard === shard))
}

function without(content: SharedContent, shard: number): SharedContent {
  return content.holders.includes(shard) ? { ...content, holders: content.holders.filter((each) => each !== shard) } : content
}

/** Two shards may have put smaller versions of the same kind into the store: what either names has to stay as long as the content does. */
function withObjectsOf(known: Blob, other: Blob): Blob {
  const names = new Set(objectsOf(known))
  const { width, height, placeholder } = known.width > 0 ? known : other
  return { content: known.content, width, height, placeholder, renditions: [...known.renditions, ...other.renditions.filter(({ object }) => !names.has(object))] }
}

function bytesByObject(contents: readonly SharedContent[]): ReadonlyMap<string, number> {
  return new Map(contents.flatMap(({ blob: { content, renditions } }) => [content, ...renditions].map(({ object, size }) => [object, size] as const)))
}

function sum(bytes: ReadonlyMap<string, number>): number {
  let all = 0
  for (const each of bytes.values()) all += each
  return all
}
