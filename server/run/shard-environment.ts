/** What a shard of a real process is given: the machine's clock, the event loop, and the operator's limits. */
import { randomInt } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { Config } from '../config/settings.js'
import type { Log } from '../log.js'
import { type BlobEnvironment, SHARD_LIMITS, type ShardEnvironment } from '../shard/environment.js'

const DAY_MS = 86_400_000
const LONG_MS = 1000

/** `blobs`: null where none are kept. `shards`: how many share what is allowed to all together. */
export function shardEnvironment(config: Config, clock: Clock, log: Log, blobs: BlobEnvironment | null = null, shards = 1): ShardEnvironment {
  const { data, limits, rate, search } = config
  return {
    ...blobs === null ? {} : { blobs },
    clock,
    scheduler: {
      defer: (task) => { setImmediate(task) },
      after: (delayMs, task) => {
        const timer = setTimeout(task, delayMs)
        // What can wait this long must not keep a process alive that has nothing else to do.
        if (delayMs > LONG_MS) timer.unref()
      },
    },
    random32: () => randomInt(0x1_0000_0000),
    limits: {
      ...SHARD_LIMITS,
      devicesMax: limits.devicesMax,
      groupMembersMax: limits.groupMembersMax,
      groupsMax: limits.groupsMax,
      editAgeMs: limits.editAgeMs,
      deleteAgeMs: limits.deleteAgeMs,
      expirySweepMs: limits.expirySweepMs,
      queueEntriesMax: limits.queueEntriesMax,
      queueAgeMs: limits.queueAgeMs,
      windowDefault: limits.windowDefault,
      windowMax: limits.windowMax,
      windowBytesMax: limits.windowBytesMax,
      tokenAgeMs: limits.tokenAgeMs,
      tokenRotateMs: limits.tokenRotateMs,
      residentUsersMax: data.residentUsersMax,
      residentConversationsMax: data.residentConversationsMax,
      waitingCommandsMax: limits.waitingCommandsMax,
      gatherOperations: data.gatherOperations,
      gatherMs: data.gatherMs,
      gatherMsMax: data.gatherMsMax,
      gatherBytesMax: data.gatherBytesMax,
      crowdedOperations: data.crowdedOperations,
      crowdedBytes: data.crowdedBytes,
      watermarkDelayMs: data.watermarkDelayMs,
      journalMs: data.journalMs,
      contactsMax: limits.contactsMax,
      blockedMax: limits.blockedMax,
      strangerBurst: rate.strangerBurst,
      strangerPerSecond: rate.strangerPerSecond,
      reportsBurst: rate.reportsBurst,
      reportsPerHour: rate.reportsPerHour,
      reportsMax: limits.reportsMax,
      retentionMs: data.messageDays * DAY_MS,
      searchEnabled: search.enabled,
      searchIndexAhead: search.indexAhead,
      searchRowsMax: search.rowsMax,
      blobQuotaBytes: config.blobs.quotaBytes,
      blobTotalBytes: Math.ceil(config.blobs.totalBytes / shards),
      uploadsMax: config.blobs.uploadsMax,
      uploadAgeMs: config.blobs.uploadAgeMs,
      blobHoldMs: config.blobs.holdMs,
    },
    log: {
      info: (fields, event) => log.info(fields as Record<string, string>, event),
      warn: (fields, event) => log.warn(fields as Record<string, string>, event),
      error: (fields, event) => log.error(fields as Record<string, string>, event),
    },
  }
}

