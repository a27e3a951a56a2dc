/**
 * A storage in IndexedDB: one database for each device, one transaction for each batch, durability `strict`. A Web Lock of the same name
 * keeps a second tab out, where the browser has them.
 */
import { asError } from '../as-error.js'
import { localError } from './client-error.js'
import { applyChanges, emptyState, snapshotOf } from './state.js'
import type { ClientState, ClientStorage, MutableState, StorageChange } from './state.js'

// The parts of IndexedDB and Web Locks that are used: the compiler knows Node's library only.
interface Request<T> {
  readonly result: T
  readonly error: unknown
  onsuccess: (() => void) | null
  onerror: (() => void) | null
}
interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null
  onblocked: (() => void) | null
}
interface ObjectStore {
  put(value: unknown, key: unknown): unknown
  delete(key: unknown): unknown
  getAll(): Request<unknown[]>
}
interface Transaction {
  readonly error: unknown
  objectStore(name: string): ObjectStore
  oncomplete: (() => void) | null
  onabort: (() => void) | null
  onerror: (() => void) | null
  abort(): void
}
interface Database {
  createObjectStore(name: string): unknown
  transaction(stores: readonly string[], mode: 'readonly' | 'readwrite', options?: { readonly durability: 'strict' }): Transaction
  close(): void
}
/** The global `indexedDB`, or another of its kind. */
export interface DatabaseFactory {
  open(name: string, version: number): OpenRequest
}
interface Locks {
  request(name: string, options: { readonly ifAvailable: boolean }, callback: (lock: unknown) => unknown): Promise<unknown>
}

/** Format of the database. */
const VERSION = 1
/** Each record is the StorageChange that makes it; its key says what it replaces. */
const RECORDS = 'records'

/** The storage in the database `name`; another `factory` is for tests. Nothing is opened before `load`. */
export function indexedDbStorage(name: string, factory?: DatabaseFactory): ClientStorage {
  return new IndexedDbStorage(name, factory)
}

class IndexedDbStorage implements ClientStorage {
  readonly #name: string
  readonly #factory: DatabaseFactory | undefined
  #database: Database | null = null
  #unlock: (() => Promise<unknown>) | null = null
  /** Counters never fall, so they are kept here and written with what raised them. */
  readonly #state: MutableState = emptyState()

  constructor(name: string, factory: DatabaseFactory | undefined) {
    this.#name = name
    this.#factory = factory
  }

  async load(): Promise<ClientState> {
    this.#unlock = await lock(this.#name)
    try {
      const database = await openDatabase(this.#factory ?? (globalThis as unknown as { readonly indexedDB: DatabaseFactory }).indexedDB, this.#name)
      this.#database = database
      const all = await settled(database.transaction([RECORDS], 'readonly').objectStore(RECORDS).getAll())
      const state = emptyState()
      applyChanges(state, all as StorageChange[])
      applyChanges(this.#state, countersOf(state))
      return state
    } catch (error) {
      await this.close()
      throw localError('storage-failed', `the database ${this.#name} could not be opened`, error)
    }
  }

  apply(changes: readonly StorageChange[]): Promise<void> {
    const database = this.#database
    if (database === null) return Promise.reject(localError('storage-failed', `the database ${this.#name} is closed`))
    return new Promise((resolve, reject) => {
      const transaction = database.transaction([RECORDS], 'readwrite', { durability: 'strict' })
      const fail = () => { reject(localError('storage-failed', `the database ${this.#name} could not write`, transaction.error)) }
      transaction.oncomplete = () => { resolve() }
      transaction.onabort = fail
      transaction.onerror = fail
      const records = transaction.objectStore(RECORDS)
      for (const change of changes) {
        if (change.kind === 'outboxRemove') records.delete(keyOf(change))
        else records.put(change, keyOf(change))
      }
      // Only what raises counters matters here; the rest of the state stays empty.
      applyChanges(this.#state, changes.filter(({ kind }) => kind === 'outboxPut' || kind === 'outboxRemove'))
      for (const change of countersOf(this.#state)) records.put(change, keyOf(change))
    })
  }

  async close(): Promise<void> {
    this.#database?.close()
    this.#database = null
    const unlock = this.#unlock
    this.#unlock = null
    await unlock?.()
  }
}

function countersOf(state: ClientState): StorageChange[] {
  return snapshotOf(state).filter((change) => change.kind === 'counters')
}

/** What a change replaces. */
function keyOf(change: StorageChange): (string | number)[] {
  switch (change.kind) {
    case 'outboxPut': return ['outbox', change.record.handle]
    case 'outboxRemove': return ['outbox', change.handle]
    case 'conversation': return ['conversation', change.conversation]
    case 'watermark': return ['watermark', change.conversation, change.member]
    default: return [change.kind]
  }
}

function openDatabase(factory: DatabaseFactory, name: string): Promise<Database> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, VERSION)
    request.onupgradeneeded = () => { request.result.createObjectStore(RECORDS) }
    request.onblocked = () => { reject(new Error('another tab holds an older version of the database')) }
    request.onsuccess = () => { resolve(request.result) }
    request.onerror = () => { reject(asError(request.error)) }
  })
}

function settled<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => { resolve(request.result) }
    request.onerror = () => { reject(asError(request.error)) }
  })
}

/** Takes the Web Lock of this name; resolves with what releases it, or null where there are no Web Locks. */
async function lock(name: string): Promise<(() => Promise<unknown>) | null> {
  const { locks } = (globalThis as { readonly navigator?: { readonly locks?: Locks } }).navigator ?? {}
  if (locks === undefined) return null
  return new Promise((resolve, reject) => {
    const holding = locks.request(`chatd ${name}`, { ifAvailable: true }, (granted) => {
      if (granted === null) {
        reject(localError('storage-locked', `the database ${name} is in use by another tab`))
        return undefined
      }
      return new Promise<void>((release) => {
        // The lock is free when the request has ended, which is later than the call that ends it.
        resolve(() => {
          release()
          return holding
        })
      })
    })
    holding.catch(reject)
  })
}
