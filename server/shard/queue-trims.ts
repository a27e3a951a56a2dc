/** The end of a queue that all devices have: its rows go, a range at a time, once the transaction is on disk that says so. */
import type { Engine } from '../../storage/engine.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { trimPoint } from './attach.js'
import type { ShardEnvironment } from './environment.js'
import { encodeCursor, encodeQueueMeta } from './records.js'
import type { Sessions } from './sessions.js'
import type { UserState } from './user-state.js'
import type { Transaction } from './transaction.js'

/** What trims ask of their shard. */
export interface TrimHost {
  readonly engine: Engine
  readonly environment: Pick<ShardEnvironment, 'clock' | 'limits' | 'log'>
  readonly sessions: Pick<Sessions, 'expel'>
}

/** Says in the transaction how much of the queue goes, if that is worth it. Devices too far behind are let go. [QUE-10] */
export function sealTrim(host: TrimHost, transaction: Transaction, user: UserState): void {
  const { clock, limits } = host.environment
  const { to, tooFarBehind } = trimPoint(user, clock.nowMs(), limits)
  if (to - user.rowsTrimmedTo < limits.trimEvery) return
  for (const device of tooFarBehind) if (device.feed !== null && device.isFed) host.sessions.expel(device.feed, ERROR.slowConsumer)
  user.trimmedTo = user.rowsTrimmedTo = to
  transaction.trimmed.set(user, to)
  transaction.touch(user)
  transaction.batch.put(user.keys.queueMeta(), encodeQueueMeta(to))
  // A cursor on disk that lies before what is gone would tell a device without state that it is too old.
  for (const device of user.devices) transaction.batch.put(user.keys.cursor(device.number), encodeCursor(device, to))
}

/** What is behind the slowest cursor goes; if it fails it goes the next time. */
export function removeTrimmed({ engine, environment }: TrimHost, user: UserState, to: number): void {
  engine.trim(user.keys.entries(user.removedBelow, to + 1)).then(
    () => {
      user.removedBelow = Math.max(user.removedBelow, to + 1)
    },
    (error: unknown) => {
      environment.log.warn({ err: error }, 'a queue could not be trimmed')
    },
  )
}
