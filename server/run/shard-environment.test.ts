import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SYSTEM_CLOCK } from '../clock.js'
import { configOf } from '../config/config.js'
import { allSettings } from '../config/settings.js'
import { SILENT_LOG } from '../log.js'
import { SHARD_LIMITS } from '../shard/environment.js'
import { shardEnvironment } from './shard-environment.js'

test('every setting named like a limit of the shard is that limit', () => {
  const settings = allSettings().filter(({ key }) => key in SHARD_LIMITS)
  assert.ok(settings.length > 10)
  for (const { section, key, setting } of settings) {
    const value = setting.default === setting.max ? setting.max - 1 : Number(setting.default) + 1
    const { limits } = shardEnvironment(configOf({ [section]: { [key]: value } }), SYSTEM_CLOCK, SILENT_LOG)
    assert.equal(limits[key as keyof typeof limits], value, key)
  }
})

test('and those of blobs are the settings of their section', () => {
  const blobs = { quotaBytes: 11, totalBytes: 12, uploadsMax: 13, uploadAgeMs: 1014, holdMs: 1015 }
  const { limits } = shardEnvironment(configOf({ blobs }), SYSTEM_CLOCK, SILENT_LOG)
  const { blobQuotaBytes, blobTotalBytes, uploadsMax, uploadAgeMs, blobHoldMs } = limits
  assert.deepEqual({ quotaBytes: blobQuotaBytes, totalBytes: blobTotalBytes, uploadsMax, uploadAgeMs, holdMs: blobHoldMs }, blobs)
})
