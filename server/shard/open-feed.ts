/** Opens a device's place at its user's shard: the bind. */
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Attached, AttachRequest, DeviceSink } from '../router/router.js'
import { RouterError } from '../router/router.js'
import { checkGoesOn, checkLatest, deviceFor, moveTokens, outboxEpochFor, positionFor } from './attach.js'
import { readRun } from './entry-run.js'
import { Feed } from './feed.js'
import { exposeQueue } from './queue.js'
import { readQueue } from './queue-reader.js'
import { encodeAccount, encodeDevice } from './records.js'
import type { Shard } from './shard.js'
import type { DeviceState } from './device-state.js'
import type { UserState } from './user-state.js'

const PAGE_ENTRIES = 512
const PAGE_BYTES = 256 * 1024
/** How stale the time of last activity may get on disk while a device only comes and goes. */
const ACTIVITY_STEP_MS = 3_600_000

/**
 * Resolves when everything it changed is on disk. Rejects with RouterError: account-removed, account-disabled, too-many-devices,
 * device-removed, token-invalid, replaced, storage-unavailable.
 */
export async function openFeed(shard: Shard, request: AttachRequest, sink: DeviceSink): Promise<Attached> {
  let user = await settledUser(shard, request)
  // The store may have failed in between, or an operator come by: what a bind depends on has to be true in the turn in which it counts.
  while (!user.alive) user = await settledUser(shard, request)
  checkAccount(user, request)
  if (sink.isGone === true) throw new RouterError(ERROR.replaced, 'the connection has ended')
  const nowMs = shard.environment.clock.nowMs()
  const { limits } = shard.environment
  const { device, isNew } = deviceFor(user, request, nowMs, limits)
  const takes = request.noQueue !== true
  const isFirst = isNew || !device.takes
  checkLatest(device, request)
  const tokens = moveTokens(device, request, nowMs, limits)
  const position = positionFor(user, device, isFirst, request, limits)
  checkGoesOn(position, device, request)
  const outboxEpoch = outboxEpochFor(device, request)
  const isRenamed = request.deviceName !== '' && request.deviceName !== device.name
  if (isRenamed) device.name = request.deviceName
  const isStale = nowMs - device.lastActiveMs > ACTIVITY_STEP_MS
  device.lastActiveMs = nowMs
  if (isNew) addDevice(shard, user, device)
  if (device.feed !== null) shard.sessions.expel(device.feed, ERROR.replaced)
  if (isNew || isRenamed || tokens.changed || outboxEpoch !== request.outboxEpoch) writeDevice(shard, user, device)
  const isPlaced = takes && (isFirst || position.cursor !== device.cursor)
  if (isPlaced) {
    device.takes = true
    device.cursor = position.cursor
  }
  if (isNew || isStale || isPlaced) {
    shard.transaction.touch(user)
    shard.transaction.late.moveCursor(user, device)
  }
  const window = Math.min(request.window === 0 ? limits.windowDefault : request.window, limits.windowMax)
  const stamp = request.resumes ?? shard.sessions.nextStamp()
  const feed = new Feed(shard, user, device, sink, outboxEpoch, window, position.cursor, stamp, takes)
  shard.sessions.add(feed)
  if (takes) exposeQueue(user)
  const attached: Attached = {
    attachment: feed,
    resume: position.resume,
    queueEpoch: user.account?.queueEpoch ?? 0,
    cursor: position.cursor,
    pending: user.tail - position.cursor,
    outboxEpoch,
    window,
    tokenIssued: tokens.issued,
    deviceNumber: device.number,
    stamp: feed.stamp,
  }
  // The welcome names what the queue holds, so all of that has to be on disk, and what the feed will read has to be there. Not so
  // the cursor that an acknowledgement moved, or an end that was noted: the device names its own again. A device that comes back
  // soon waits for no commit.
  if (!shard.isSettledButForLate(user)) await shard.committed()
  if (feed.hasEnded) {
    checkAccount(user, request)
    throw new RouterError(ERROR.replaced, 'another connection bound the same device')
  }
  return attached
}

/**
 * The user, once the cursor that the device names counts: what it covers beyond the cursor on disk was acknowledged on a connection
 * whose last acknowledgement got lost, and is delivered all the same. [RCP-1] What a session names that takes nothing acknowledges nothing. [QUE-17]
 */
async function settledUser(shard: Shard, request: AttachRequest): Promise<UserState> {
  for (;;) {
    const user = await shard.user(request.user)
    checkAccount(user, request)
    const device = user.device(request.device)
    const isAhead = request.noQueue !== true && device !== undefined && request.queueEpoch === user.account?.queueEpoch && request.cursor > device.cursor &&
      request.cursor <= user.committedTail
    if (!isAhead) return user
    const seqs = await shard.reading(deliveredIn(shard.engine, user, device.cursor + 1, request.cursor))
    await Promise.all([...seqs].map(([conversation, seq]) => tellDelivered(shard, user, conversation, seq)))
    if (user.alive) shard.receipts.moveCursor(user, device, request.cursor)
  }
}

/** Throws what refuses a bind of this account, whatever the device. [INV-15] */
function checkAccount(user: UserState, request: AttachRequest): void {
  if (!user.exists) throw new RouterError(ERROR.accountRemoved, 'the account does not exist')
  if (user.account?.disabled === true) throw new RouterError(ERROR.accountDisabled, 'the account is disabled')
  if (isOutdated(user, request)) throw new RouterError(ERROR.notAuthorized, 'the password was changed')
}

/** The password was changed between the proof of the old one and the bind. [TOK-4] */
function isOutdated(user: UserState, request: AttachRequest): boolean {
  const { verifierSalt } = request
  const salt = user.account?.verifier.salt
  return verifierSalt !== undefined && (salt === undefined || Buffer.compare(verifierSalt, salt) !== 0)
}

function tellDelivered(shard: Shard, user: UserState, conversation: string, seq: number): Promise<void> {
  return new Promise((resolve) => {
    if (shard.receipts.delivered(user, conversation, seq, resolve)) resolve()
  })
}

/** The highest seq of others in each conversation among these entries. */
async function deliveredIn(engine: Engine, user: UserState, first: number, last: number): Promise<Map<string, number>> {
  const seqs = new Map<string, number>()
  let from = first
  while (from <= last) {
    const { rows, to } = await readQueue(engine, user, from, Math.min(last, from + PAGE_ENTRIES - 1), PAGE_BYTES)
    for (const [key, row] of rows) {
      const run = readRun(row, numberAt(key), user.name)
      if (run === null) continue
      for (let at = Math.max(0, first - run.first); at < run.count && run.first + at <= last; at++) {
        const { conversation, seq } = run.heads[at]!
        if (seq > 0) seqs.set(conversation, seq)
      }
    }
    const end = rows.at(-1)
    from = 1 + (end === undefined ? to : numberAt(end[0]))
  }
  return seqs
}

function addDevice(shard: Shard, user: UserState, device: DeviceState): void {
  const { account } = user
  if (account === null) return
  user.addDevice(device)
  user.account = { ...account, nextDevice: device.number + 1 }
  shard.transaction.touch(user)
  shard.transaction.batch.put(user.keys.account(), encodeAccount(user.account))
}

function writeDevice(shard: Shard, user: UserState, device: DeviceState): void {
  shard.transaction.touch(user)
  shard.transaction.batch.put(user.keys.device(device.number), encodeDevice(device))
}
