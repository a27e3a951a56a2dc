/** Accounts, settings and devices: the control path of a user's shard. Every method resolves when its change is on disk. */
import { userNameAt, userNameKey, userNames } from '../../storage/shard-keys.js'
import { normalizeUser } from '../../protocol/address.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import type { Account, AccountSummary, TokenCheck, UserSettings, Verifier } from '../router/router.js'
import { RouterError } from '../router/router.js'
import { DEFAULT_PRIVACY } from '../presence/privacy.js'
import { findToken } from './attach.js'
import { PackedVerifier } from './packed-verifier.js'
import { encodeAccount, encodeDevice, encodeListing, encodeQueueMeta, encodeSettings } from './records.js'
import type { Shard } from './shard.js'
import type { DeviceState } from './device-state.js'
import type { AccountRow, UserState } from './user-state.js'

const USERS_PAGE_MAX = 1000
/** What a removed account keeps: nothing that opens it. */
const NO_VERIFIER = new PackedVerifier({ salt: new Uint8Array(0), iterations: 0, storedKey: new Uint8Array(0), serverKey: new Uint8Array(0) })

export class Accounts {
  readonly #shard: Shard

  constructor(shard: Shard) {
    this.#shard = shard
  }

  async account(name: string): Promise<Account | null> {
    const user = await this.#shard.user(name)
    const { account } = user
    if (account === null || account.removed) return null
    return { user: name, disabled: account.disabled, verifier: account.verifier, createdMs: account.createdMs }
  }

  async checkToken(name: string, device: string, hash: Uint8Array): Promise<TokenCheck> {
    const user = await this.#shard.user(name)
    const state = user.device(device)
    if (!user.exists || state === undefined) return 'invalid'
    const { clock, limits } = this.#shard.environment
    if (findToken(state, hash, clock.nowMs(), limits.tokenAgeMs) === null) return 'invalid'
    return user.account?.disabled === true ? 'disabled' : 'valid'
  }

  async addUser(name: string, verifier: Verifier): Promise<void> {
    if (normalizeUser(name) !== name) throw new RouterError(ERROR.malformedAddress, `'${name}' is not a user name in its normal form`)
    const user = await this.#shard.user(name)
    if (user.account !== null) {
      throw new RouterError(ERROR.conflict, user.account.removed ? `'${name}' was removed, and names are not given twice` : `'${name}' exists already`)
    }
    writeNewAccount(this.#shard, user, verifier)
    await this.#shard.committed()
  }

  /** Who is in by the old password, or by a token that came of it, is out: a thief as well. [TOK-4] */
  async changeVerifier(name: string, verifier: Verifier): Promise<void> {
    const { user, account } = await this.#existing(name)
    this.#writeAccount(user, { ...account, verifier: new PackedVerifier(verifier) })
    for (const device of user.devices) {
      if (device.feed !== null) this.#shard.sessions.expel(device.feed, ERROR.tokenInvalid)
      device.tokenUsed = device.tokenIssued = null
      this.#shard.transaction.batch.put(user.keys.device(device.number), encodeDevice(device))
    }
    await this.#shard.committed()
  }

  /** Ends the user's sessions, or lets it in again. Devices, tokens and queue stay as they are. [INV-15] */
  async setDisabled(name: string, disabled: boolean): Promise<void> {
    const { user, account } = await this.#existing(name)
    if (account.disabled !== disabled) this.#writeAccount(user, { ...account, disabled })
    if (disabled) for (const device of user.devices) if (device.feed !== null) this.#shard.sessions.expel(device.feed, ERROR.accountDisabled)
    await this.#shard.committed()
  }

  /**
   * `alongside` is called in the turn of the change, and may throw RouterError. It is on disk here when the promise resolves; other shards
   * are on their way to know of it.
   */
  async removeUser(name: string, alongside: () => void): Promise<void> {
    const { user, account } = await this.#existing(name)
    this.#shard.channels?.mustHaveRoom()
    alongside()
    this.#tellShards(user, false, user.readReceipts)
    for (const device of user.devices) this.#dropDevice(user, device, ERROR.accountRemoved)
    this.#writeAccount(user, { ...account, verifier: NO_VERIFIER, removed: true })
    const to = user.tail
    this.#shard.life.journal.forget(user)
    user.trimmedTo = user.rowsTrimmedTo = to
    this.#shard.transaction.batch.put(user.keys.queueMeta(), encodeQueueMeta(to))
    user.erasures = null
    this.#shard.transaction.batch.delete(user.keys.erasures())
    this.#shard.transaction.batch.delete(userNameKey(name))
    this.#forgetPresence(user)
    this.#shard.transaction.batch.delete(user.keys.profile())
    this.#shard.transaction.batch.delete(user.keys.listMeta())
    await this.#shard.committed()
    await this.#shard.reading(this.#shard.engine.trim(user.keys.keptLists()))
    await this.#shard.reading(this.#shard.engine.trim(user.keys.entries(0, to + 1)))
  }

  /** What all shards have to know of the user changes in the open transaction. Throws where they can't be told. */
  #tellShards({ name }: UserState, exists: boolean, readReceipts: boolean): void {
    this.#shard.channels?.give({ kind: 'visitor', user: name, exists, readReceipts })
  }

  #forgetPresence(user: UserState): void {
    const { transaction } = this.#shard
    user.lastSeenMs = 0
    user.privacy = DEFAULT_PRIVACY
    transaction.late.dropSeen(user)
    transaction.batch.delete(user.keys.lastSeen())
    transaction.batch.delete(user.keys.privacy())
  }

  async removeDevice(name: string, id: string): Promise<void> {
    const { user } = await this.#existing(name)
    const device = user.device(id)
    if (device === undefined) throw new RouterError(ERROR.noSuchDevice, `there is no device '${id}'`)
    this.#dropDevice(user, device, ERROR.deviceRemoved)
    this.#shard.transaction.late.trim(user)
    await this.#shard.committed()
  }

  async changeSettings(name: string, change: Partial<UserSettings>): Promise<UserSettings> {
    const { user } = await this.#existing(name)
    if (change.readReceipts !== undefined && change.readReceipts !== user.readReceipts) {
      // First, so that nothing changes where that is refused.
      this.#tellShards(user, user.exists, change.readReceipts)
      user.readReceipts = change.readReceipts
      this.#shard.transaction.touch(user)
      this.#shard.transaction.batch.put(user.keys.settings(), encodeSettings(user.readReceipts))
      await this.#shard.committed()
    }
    // Also where it is so already: it may be on its way to others still.
    if (change.readReceipts !== undefined) await this.#shard.channels?.allTaken()
    return { readReceipts: user.readReceipts }
  }

  async users(after: string, limit: number): Promise<{ users: AccountSummary[]; more: boolean }> {
    const pageMax = Math.min(limit, USERS_PAGE_MAX)
    const page = await this.#shard.reading(this.#shard.engine.range({ ...userNames(after), limit: pageMax + 1 }))
    const users: AccountSummary[] = []
    for (const [key] of page.slice(0, pageMax)) {
      const user = await this.#shard.user(userNameAt(key))
      if (user.account === null) continue
      const { createdMs, disabled } = user.account
      users.push({ user: user.name, createdMs, devices: user.devices.length, disabled })
    }
    return { users, more: page.length > pageMax }
  }

  async #existing(name: string): Promise<{ user: UserState; account: AccountRow }> {
    const user = await this.#shard.user(name)
    const { account } = user
    if (account === null || account.removed) throw new RouterError(ERROR.noSuchUser, `there is no user '${name}'`)
    return { user, account }
  }

  #writeAccount(user: UserState, account: AccountRow): void {
    writeAccount(this.#shard, user, account)
  }

  /** Session, tokens and place in the queue go together. [QUE-15] */
  #dropDevice(user: UserState, device: DeviceState, reason: ErrorCode): void {
    if (device.feed !== null) this.#shard.sessions.expel(device.feed, reason)
    user.removeDevice(device)
    const { transaction } = this.#shard
    transaction.touch(user)
    transaction.late.dropCursor(device)
    transaction.batch.delete(user.keys.device(device.number))
    transaction.batch.delete(user.keys.cursor(device.number))
    if (user.goneTo === user.rowsTrimmedTo) return
    // Which the cursor's row may have been the only one to say.
    user.trimmedTo = user.rowsTrimmedTo = user.goneTo
    transaction.batch.put(user.keys.queueMeta(), encodeQueueMeta(user.trimmedTo))
    transaction.trimmed.set(user, user.trimmedTo)
  }
}


type AccountHost = Pick<Shard, 'environment' | 'transaction'>

/** Puts a new account for a name that never had one into the open transaction. */
export function writeNewAccount(shard: AccountHost, user: UserState, verifier: Verifier): void {
  const createdMs = shard.environment.clock.nowMs()
  // Never 0, which on the wire means none.
  const queueEpoch = 1 + shard.environment.random32()
  writeAccount(shard, user, { verifier: new PackedVerifier(verifier), createdMs, disabled: false, removed: false, queueEpoch, nextDevice: 1 })
  shard.transaction.batch.put(userNameKey(user.name), encodeListing(createdMs))
}

function writeAccount(shard: AccountHost, user: UserState, account: AccountRow): void {
  user.account = account
  shard.transaction.touch(user)
  shard.transaction.batch.put(user.keys.account(), encodeAccount(account))
}
