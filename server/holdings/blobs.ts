/** Blobs as sessions and the HTTP side use them: every change resolves when it is on disk, and rejects with RouterError. */
import { ERROR } from '../../protocol/generated/registry.js'
import type { Blob, BlobCommands, BlobPlace, BlobUsage, Upload, UploadRequest } from '../blobs/blob-router.js'
import { RouterError } from '../router/router.js'
import type { BlobEnvironment } from '../shard/environment.js'
import type { Shard } from '../shard/shard.js'
import { conversationName } from '../shard/conversation-name.js'
import type { UserState } from '../shard/user-state.js'
import { Turns } from '../shard/turns.js'
import { carriedBlob, findBlob } from './find.js'
import { type Held, holding, noSuchBlob } from './held.js'
import { homeBlob } from './elsewhere.js'
import { type HeldBlob, hasSquares, usedBytes } from './ledger.js'
import { objectsOf } from './merge.js'
import { type BlobTotals, keepsBlob, type UploadRow } from './rows.js'
import { TOTALS, type UploadState } from './states.js'

const UPLOAD_ID_BYTES = 16
const KEY_BYTES = 32
/** Names that attempts to store one upload may leave behind; then it is over. */
const OBJECTS_MAX = 256
/** Holdings of a removed user that are looked at in one step. */
const PAGE_ROWS = 64
/** Told where there is no room, or no more is taken at once. */
const RETRY_MS = 60_000
/** Beyond the last seq that any conversation will have. */
const EVERY_SEQ = Number.MAX_SAFE_INTEGER - 1

type Opened = { readonly blob: Blob } | { readonly upload: Upload }

export class Blobs implements BlobCommands {
  readonly #shard: Shard
  readonly #environment: BlobEnvironment
  /** A user's uploads are opened one after the other, since one asked for again is the same. [BLB-5] */
  readonly #turns = new Turns()

  constructor(shard: Shard, environment: BlobEnvironment) {
    this.#shard = shard
    this.#environment = environment
  }

  openUpload(user: string, request: UploadRequest): Promise<Opened> {
    return this.#turns.run(user, () => holding(this.#shard, async (held) => {
      const id = Buffer.from(this.#environment.randomBytes(UPLOAD_ID_BYTES)).toString('hex')
      const known = await this.#takeable(held, await held.blob(user, request.hash))
      const owner = userOf(known)
      const [fresh, ...uploads] = await Promise.all([id, ...owner.blobUse.uploads.map((each) => each.id)]
        .map((each) => held.state(this.#shard.blobStates.uploads, each)))
      const noRoom = await this.#refusalOf(known.totals.row.underWayBytes + request.size)
      held.check()
      if (fresh === undefined) throw new TypeError('no state for a new upload')
      return this.#committed(this.#open(known, owner, request, uploads, fresh, noRoom))
    }))
  }

  /** Of what is held for messages in other shards alone this one has nothing: it is asked for. */
  async #takeable(held: Held, known: HeldBlob): Promise<HeldBlob> {
    const { row } = known.holding
    return row === null || keepsBlob(row) ? known : held.borrow(known)
  }

  /** In one turn. `noRoom`: what to say where room is needed; null: there is some. */
  #open(known: HeldBlob, user: UserState, request: UploadRequest, uploads: readonly UploadState[], fresh: UploadState, noRoom: RouterError | null): Opened {
    const { ledger, nowMs, environment: { limits } } = this.#shard
    const { totals } = known
    if (!user.exists) throw new RouterError(ERROR.noSuchUser, `there is no user '${user.name}'`)
    const blob = known.holding.row === null ? null : known.blob.row?.blob ?? ledger.offered(known)
    // What is held may still say where it was taken, or lack the squares. [BLB-4]
    if (blob !== null && !request.strip && (!request.picture || hasSquares(blob))) {
      ledger.hold(known, nowMs + limits.blobHoldMs)
      return { blob }
    }
    const expiresMs = nowMs + limits.uploadAgeMs
    for (const state of uploads) {
      if (state.row !== null && isUnderWay(state.row, nowMs) && isSame(state.row.upload, request)) {
        return { upload: ledger.renew(state, state.row, expiresMs) }
      }
    }
    this.#mustHaveRoom(user, totals.row, request.size, noRoom)
    const upload = { ...request, id: fresh.name, user: user.name, key: this.#environment.randomBytes(KEY_BYTES), expiresMs }
    ledger.begin(user, fresh, upload, totals)
    return { upload }
  }

  /** [BLB-6] */
  #mustHaveRoom(user: UserState, totals: BlobTotals, size: number, noRoom: RouterError | null): void {
    const { blobTotalBytes, uploadsMax } = this.#shard.environment.limits
    this.#mustFitQuota(user, size)
    const isFull = blobTotalBytes > 0 && totals.storedBytes + totals.underWayBytes + size > blobTotalBytes
    if (isFull) throw storageFull()
    if (noRoom !== null) throw noRoom
    if (user.blobUse.uploads.length >= uploadsMax) {
      throw new RouterError(ERROR.resourceLimit, `${String(uploadsMax)} uploads are under way`, { retryAfterMs: RETRY_MS })
    }
  }

  #mustFitQuota(user: UserState, size: number): void {
    const { blobQuotaBytes } = this.#shard.environment.limits
    if (blobQuotaBytes > 0 && usedBytes(user.blobUse) + size > blobQuotaBytes) {
      throw new RouterError(ERROR.quotaExceeded, `the user's blobs may take ${String(blobQuotaBytes)} bytes`)
    }
  }

  /** null: there is room for so many bytes. */
  async #refusalOf(bytes: number): Promise<RouterError | null> {
    try {
      return await this.#environment.hasRoomFor(bytes) ? null : storageFull()
    } catch (error) {
      if (error instanceof RouterError) return error
      this.#shard.environment.log.warn({ err: error }, 'nobody knows how much room there is for blobs')
      return storageFull()
    }
  }

  upload(id: string): Promise<Upload | null> {
    return holding(this.#shard, async (held) => {
      const { row } = await held.state(this.#shard.blobStates.uploads, id)
      return row !== null && isUnderWay(row, this.#shard.nowMs) ? row.upload : null
    })
  }

  storing(id: string, objects: readonly string[]): Promise<boolean> {
    return this.#changeUpload(id, (state, row) => {
      if (row.blob !== '' || new Set([...row.objects, ...objects]).size > OBJECTS_MAX) return false
      this.#shard.ledger.storing(state, row, objects)
      return true
    }, false)
  }

  finishUpload(id: string, put: Blob): Promise<Blob | null> {
    return holding(this.#shard, async (held) => {
      const state = await held.state(this.#shard.blobStates.uploads, id)
      const owner = state.row?.upload.user
      // So that what was put is found and erased also where the upload is over.
      const blobState = await held.state(this.#shard.blobStates.blobs, put.content.hash)
      const known = owner === undefined ? null : await this.#joined(held, await held.blob(owner, put.content.hash))
      held.check()
      const blob = known === null || state.row === null ? null : this.#finish(known, userOf(known), state, state.row, put)
      // Of several shards another may have them by now, if they became a blob; if not, they are listed since the end of the upload.
      if (blob === null && this.#shard.channels === null) {
        const kept = new Set(blobState.row === null ? [] : objectsOf(blobState.row.blob))
        this.#shard.ledger.erase(objectsOf(put).filter((object) => !kept.has(object)), 0)
      }
      await this.#shard.committed()
      if (blob !== null) await this.#known(blob)
      return blob
    })
  }

  /** So that the same content is stored once, whichever shard it is uploaded to. Where its home can't be asked it is stored twice. */
  async #joined(held: Held, known: HeldBlob): Promise<HeldBlob> {
    if (known.blob.row !== null) return known
    return held.borrow(known).catch((error: unknown) => {
      if (error instanceof RouterError) return known
      throw error
    })
  }

  /** Who sends it at once, or fetches it, finds that its home knows of it. Where that takes too long it does not. */
  async #known({ content: { hash } }: Blob): Promise<void> {
    const { channels } = this.#shard
    const to = channels?.to(hash) ?? null
    if (to !== null) await channels?.allTaken([to]).catch(() => undefined)
  }

  /** How long that takes at most. */
  #knownMsMax({ content: { hash } }: Blob): number {
    const { channels } = this.#shard
    return channels === null || channels.to(hash) === null ? 0 : channels.answerMsMax
  }

  /** In one turn: whoever drops the same content, or has it dropped, does it before or after. null: the upload is over. */
  #finish(known: HeldBlob, user: UserState, state: UploadState, row: UploadRow, put: Blob): Blob | null {
    const { ledger, nowMs, environment: { limits } } = this.#shard
    if (row.blob !== '') return row.blob === put.content.hash && known.holding.row !== null ? known.blob.row?.blob ?? null : null
    if (!user.exists) {
      ledger.endUpload(user, state, row, known.totals, nowMs)
      return null
    }
    const blob = ledger.addBlob(known, put)
    // That it has it the home was told just now. The user's time begins when it can hear of it, which waits for the home.
    ledger.hold({ ...known, lent: null }, nowMs + this.#knownMsMax(blob) + limits.blobHoldMs)
    ledger.complete(user, state, row, put, blob, known.totals, nowMs)
    return blob
  }

  async abandonUpload(id: string): Promise<void> {
    await holding(this.#shard, async (held) => {
      const state = await held.state(this.#shard.blobStates.uploads, id)
      if (state.row === null) return
      const { users, blobStates: { totals: all } } = this.#shard
      const [user, totals] = await Promise.all([held.state(users, state.row.upload.user), held.state(all, TOTALS)])
      held.check()
      if (state.row === null || state.row.blob !== '') return
      this.#shard.ledger.endUpload(user, state, state.row, totals, this.#shard.nowMs)
      await this.#committed(null)
    })
  }

  uploaded(user: string, uploadId: string): Promise<Opened> {
    return holding(this.#shard, async (held) => {
      const { row } = await held.state(this.#shard.blobStates.uploads, uploadId)
      if (row?.upload.user !== user) throw noSuchBlob()
      if (row.blob !== '') return { blob: await findBlob(this.#shard, held, user, { kind: 'own', id: row.blob }) }
      if (!isUnderWay(row, this.#shard.nowMs)) throw noSuchBlob()
      return { upload: row.upload }
    })
  }

  find(user: string, place: BlobPlace): Promise<Blob> {
    return holding(this.#shard, (held) => findBlob(this.#shard, held, user, place))
  }

  /** [BLB-15] */
  keep(user: string, conversation: string, seq: number, id: string): Promise<Blob> {
    return holding(this.#shard, async (held) => {
      await this.#mustCarry(user, conversation, seq, id)
      const own = await held.blob(user, id)
      const known = keepsBlob(own.holding.row) ? own : await held.borrow(own)
      held.check()
      const { ledger, nowMs, environment: { limits } } = this.#shard
      const owner = userOf(known)
      const blob = known.blob.row?.blob ?? ledger.offered(known)
      if (!owner.exists) throw new RouterError(ERROR.noSuchUser, `there is no user '${user}'`)
      if (blob === null) throw noSuchBlob()
      if (known.holding.row === null) this.#mustFitQuota(owner, blob.content.size)
      ledger.hold(known, nowMs + limits.blobHoldMs)
      return this.#committed(blob)
    })
  }

  async #mustCarry(user: string, address: string, seq: number, id: string): Promise<void> {
    const { channels } = this.#shard
    const to = channels?.to(conversationName(user, address)) ?? null
    if (channels === null || to === null) await carriedBlob(this.#shard, user, address, seq, id)
    else await channels.ask(to.shard, 'mustCarry', user, address, seq, id)
  }

  /** Of several shards its home knows it best; who holds it has a copy. */
  async blob(id: string): Promise<Blob | null> {
    const isOfSeveral = this.#shard.channels !== null
    const atHome = isOfSeveral ? await homeBlob(this.#shard, id) : null
    if (atHome !== null) return atHome
    return holding(this.#shard, async (held) => {
      const state = await held.state(this.#shard.blobStates.blobs, id)
      const blob = state.row?.blob ?? null
      if (isOfSeveral && !this.#shard.isSettledButForLate(state)) await this.#shard.committed()
      return blob
    })
  }

  async usage(user: string): Promise<BlobUsage> {
    const { blobUse } = await this.#shard.user(user)
    return { used: usedBytes(blobUse), quota: this.#shard.environment.limits.blobQuotaBytes }
  }

  /** In the turn in which the user is removed: nobody has its own notes any more. */
  forgetNotes(user: string): void {
    this.#shard.ledger.release(user, 'messages', 1, EVERY_SEQ)
  }

  /**
   * The user is removed: its uploads are over, and what none of its messages carries goes. What it has sent to others stays as long as they
   * have it. A crash in between leaves what would have been ended here to its own time.
   */
  async forgetUser(user: string): Promise<void> {
    for (let after: string | null = ''; after !== null;) after = await this.#forgetPage(user, after)
    for (const { id } of (await this.#shard.user(user)).blobUse.uploads) await this.abandonUpload(id)
  }

  /** Returns the last blob looked at; null: there are no more. */
  #forgetPage(user: string, after: string): Promise<string | null> {
    return holding(this.#shard, async (held) => {
      const { keys } = await held.state(this.#shard.users, user)
      const page = await this.#shard.reading(this.#shard.engine.range({ ...keys.holdings(after), limit: PAGE_ROWS }))
      const ids = page.map(([key]) => keys.nameAt(key))
      const all = await Promise.all(ids.map((id) => held.blob(user, id)))
      held.check()
      for (const each of all) this.#shard.ledger.endHold(each)
      await this.#committed(null)
      return page.length < PAGE_ROWS ? null : ids.at(-1) ?? null
    })
  }

  /** null: there is no such upload. */
  #changeUpload<T>(id: string, change: (state: UploadState, row: UploadRow) => T, otherwise: T): Promise<T> {
    return holding(this.#shard, async (held: Held) => {
      const state = await held.state(this.#shard.blobStates.uploads, id)
      held.check()
      return state.row === null ? otherwise : this.#committed(change(state, state.row))
    })
  }

  async #committed<T>(result: T): Promise<T> {
    await this.#shard.committed()
    return result
  }
}

/** Uploads and holds are made at the home of their user. */
function userOf({ user, holding }: HeldBlob): UserState {
  if (user === null) throw new TypeError(`${holding.user} is at home in another shard`)
  return user
}

function storageFull(): RouterError {
  return new RouterError(ERROR.storageFull, 'there is no room for more blobs', { retryAfterMs: RETRY_MS })
}

function isUnderWay({ blob, upload }: UploadRow, nowMs: number): boolean {
  return blob === '' && upload.expiresMs > nowMs
}

function isSame(upload: Upload, { hash, size, strip, picture }: UploadRequest): boolean {
  return upload.hash === hash && upload.size === size && upload.strip === strip && upload.picture === picture
}
