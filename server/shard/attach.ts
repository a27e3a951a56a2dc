/** What a bind means: which device, from which cursor, under which epochs and tokens. Pure decisions; the shard carries them out. */
import { timingSafeEqual } from 'node:crypto'
import { ERROR, RESUME } from '../../protocol/generated/registry.js'
import type { AttachRequest } from '../router/router.js'
import { RouterError } from '../router/router.js'
import type { ShardLimits } from './environment.js'
import { pack, unpack } from './packed.js'
import { DeviceState, type TokenSlot } from './device-state.js'
import type { UserState } from './user-state.js'

export type SlotName = 'used' | 'issued'

/** Which slot of the device holds the token; null: none, or it has expired. Comparison takes the same time whatever differs. [TOK-2, TOK-4] */
export function findToken(device: DeviceState, hash: Uint8Array, nowMs: number, tokenAgeMs: number): SlotName | null {
  const used = matches(device.tokenUsed, hash)
  const issued = matches(device.tokenIssued, hash)
  if (nowMs - device.lastActiveMs > tokenAgeMs) return null
  return issued ? 'issued' : used ? 'used' : null
}

function matches(slot: TokenSlot | null, hash: Uint8Array): boolean {
  return slot !== null && slot.hash.length === hash.length && timingSafeEqual(unpack(slot.hash), hash)
}

/** The device named, or a new one; not yet among the user's devices. Throws RouterError too-many-devices. [OPN-8] */
export function deviceFor(user: UserState, request: AttachRequest, nowMs: number, limits: ShardLimits): { device: DeviceState; isNew: boolean } {
  const known = user.device(request.device)
  if (known !== undefined) return { device: known, isNew: false }
  if (request.usedTokenHash !== null || request.resumes !== undefined) throw new RouterError(ERROR.deviceRemoved, 'the device was removed')
  if (user.devices.length >= limits.devicesMax) {
    throw new RouterError(ERROR.tooManyDevices, `the account has ${String(limits.devicesMax)} devices; remove one first`)
  }
  const number = user.account?.nextDevice ?? 1
  const device = new DeviceState(number, request.device, request.deviceName, nowMs)
  device.takes = request.noQueue !== true
  return { device, isNew: true }
}

/**
 * Moves the device's token slots on. Returns whether the fresh token was taken and has to be told to the device; `changed` whether
 * the row has to be written. Throws RouterError token-invalid when the token is in neither slot any more. [TOK-2, TOK-3]
 */
export function moveTokens(device: DeviceState, request: AttachRequest, nowMs: number, limits: ShardLimits): { issued: boolean; changed: boolean } {
  if (request.resumes !== undefined) return checkResumed(device, request.usedTokenHash)
  const fresh: TokenSlot = { hash: pack(request.freshTokenHash), issuedMs: nowMs }
  if (request.usedTokenHash === null) {
    device.tokenIssued = fresh
    return { issued: true, changed: true }
  }
  const slot = findToken(device, request.usedTokenHash, nowMs, limits.tokenAgeMs)
  if (slot === null) throw new RouterError(ERROR.tokenInvalid, 'the token is no longer valid')
  if (slot === 'issued') {
    device.tokenUsed = device.tokenIssued
    device.tokenIssued = null
    return { issued: false, changed: true }
  }
  // A token issued but not used, while its elder is still in use, never arrived: issue another. Else rotate by age.
  const isLost = device.tokenIssued !== null
  if (isLost || nowMs - (device.tokenUsed?.issuedMs ?? 0) > limits.tokenRotateMs) {
    device.tokenIssued = fresh
    return { issued: true, changed: true }
  }
  return { issued: false, changed: false }
}

/** A session that goes on keeps the token that let it in, however old it has become meanwhile; one that was burned lets nobody in. */
function checkResumed(device: DeviceState, hash: Uint8Array | null): { issued: false; changed: false } {
  if (hash !== null && !matches(device.tokenUsed, hash) && !matches(device.tokenIssued, hash)) {
    throw new RouterError(ERROR.tokenInvalid, 'the token is no longer valid')
  }
  return { issued: false, changed: false }
}

/** Throws RouterError replaced where another session of the device, which began later, has its place: that one goes on. */
export function checkLatest(device: DeviceState, { resumes }: AttachRequest): void {
  if (resumes !== undefined && device.feed !== null && device.feed.stamp > resumes) {
    throw new RouterError(ERROR.replaced, 'another connection bound the same device')
  }
}

export interface Position {
  readonly resume: 0 | 1 | 2
  /** The device is fed from here on. */
  readonly cursor: number
}

/**
 * Where the queue goes on for the device, or would if the session were to take anything off it. `isFirst`: the device has taken nothing yet.
 * [QUE-8, QUE-18, OPN-10]
 * - fresh, a device that is new to the queue: from the oldest entry the queue holds; one that lost its state: from its last acknowledgement;
 * - resumed: from the cursor it names;
 * - too old: from the end; it learns the rest from the conversations.
 */
export function positionFor(user: UserState, device: DeviceState, isFirst: boolean, request: AttachRequest, limits: ShardLimits): Position {
  // It stands nowhere, so it can go on wherever the queue is by now.
  if (request.noQueue === true && request.resumes !== undefined) return { resume: RESUME.resumed, cursor: request.cursor }
  const isFresh = request.queueEpoch === 0
  // What is due to be trimmed may still be there, but who begins with it would be too far behind at once.
  const oldest = Math.max(user.goneTo, user.tail - limits.queueEntriesMax)
  const cursor = isFresh ? Math.max(device.cursor, isFirst ? oldest : 0) : request.cursor
  const isHeld = cursor >= user.goneTo && cursor <= user.tail
  if (!isHeld || (!isFresh && request.queueEpoch !== user.account?.queueEpoch)) return { resume: RESUME.tooOld, cursor: user.tail }
  return { resume: isFresh ? RESUME.fresh : RESUME.resumed, cursor }
}

/**
 * Throws RouterError replaced where a session that was to go on can't, and before anything is changed: it may be one that the device has long
 * left behind, and the end of the queue is where nobody but the device itself may ask to begin.
 */
export function checkGoesOn({ resume }: Position, device: DeviceState, { resumes, outboxEpoch }: AttachRequest): void {
  if (resumes === undefined) return
  if (resume !== RESUME.resumed || outboxEpoch > device.outboxEpoch) throw new RouterError(ERROR.replaced, 'the session can\'t go on where it was')
}

/** The epoch the device's client ids count under: the one it names, if it was ever given; else the next. [OPN-10] [OPN-17] */
export function outboxEpochFor(device: DeviceState, request: AttachRequest): number {
  const { outboxEpoch } = request
  if (outboxEpoch > 0 && outboxEpoch <= device.outboxEpoch) return outboxEpoch
  device.outboxEpoch++
  return device.outboxEpoch
}

/** Up to where no device needs the queue any more, and the devices that fell too far behind to hold it back. [QUE-10] */
export function trimPoint(user: UserState, nowMs: number, limits: ShardLimits): { to: number; tooFarBehind: readonly DeviceState[] } {
  const floor = Math.max(0, user.tail - limits.queueEntriesMax)
  const tooFarBehind: DeviceState[] = []
  let to = user.tail
  let takers = 0
  for (const device of user.devices) {
    if (!device.takes) continue
    takers++
    const isAway = !device.isFed && nowMs - device.lastActiveMs > limits.queueAgeMs
    if (device.cursor < floor || isAway) tooFarBehind.push(device)
    else to = Math.min(to, device.doneTo)
  }
  // Without any of them the first one to come still finds what the queue may hold.
  const nobody = tooFarBehind.length === takers
  return { to: Math.max(user.trimmedTo, nobody ? floor : to), tooFarBehind }
}
