/** What the configuration says of shards and workers beside what the data directory holds; bin/chatd-cli/shards.test.ts runs them. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { configOf, ConfigError } from '../config/config.js'
import type { ShardGauges } from '../metrics/metrics.js'
import { sumOfGauges } from '../metrics/shard-gauges.js'
import { makeShards, shardDirectory } from '../../storage/shards-file.js'
import { readShape, shapeOf } from './shape.js'

function shape(shards: number, workers: number, held: number | null): [number, number, boolean] {
  const of = shapeOf(configOf({ data: { shards }, listen: { workers } }), held)
  return [of.shards, of.workers, of.isNew]
}

test('a directory has the shards that it has, and a new one those that are wanted; each of several has a worker', () => {
  assert.deepEqual(shape(1, 1, null), [1, 1, false])
  assert.deepEqual(shape(1, 4, 1), [1, 4, false])
  assert.deepEqual(shape(3, 1, null), [3, 3, true])
  assert.deepEqual(shape(3, 3, null), [3, 3, true])
  assert.deepEqual(shape(1, 1, 3), [3, 3, false])
  assert.deepEqual(shape(3, 0, 3), [3, 3, false])
})

test('what contradicts the directory is refused, with what to do about it', () => {
  assert.throws(() => shape(3, 1, 1), (error) => error instanceof ConfigError && /holds one shard, not 3 .*chatd split chatd-data --shards 3 --to/.test(error.message))
  assert.throws(() => shape(2, 1, 3), (error) => error instanceof ConfigError && error.message.includes('holds 3 shards, not 2'))
  assert.throws(() => shape(1, 2, 3), (error) => error instanceof ConfigError && error.message.includes('set it to 3'))
})

test('the directory of one shard among several is refused, with the name of the one to take', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'chatd-shape-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  await makeShards(directory, 2)
  await mkdir(shardDirectory(directory, 0))
  const named = (name: string): Promise<unknown> => readShape(configOf({ data: { directory: name } }))
  await assert.rejects(named(shardDirectory(directory, 0)), (error) => error instanceof ConfigError && error.message.includes(`one shard of several (data.directory): name the directory that has them all, ${directory}`))
  await named(directory)
  // A directory may be called so where it is none.
  await rm(join(directory, 'shards.json'))
  await named(shardDirectory(directory, 0))
})

test('gauges of several shards are those of one; one that says nothing is not available', () => {
  const one: ShardGauges = { isAvailable: true, waiting: 2, lastCommitOperations: 7, indexer: { waiting: 1, made: 10, searches: 3, searchRows: 1.5 } }
  assert.deepEqual(sumOfGauges([one, one]), { isAvailable: true, waiting: 4, lastCommitOperations: 7, indexer: { waiting: 2, made: 20, searches: 6, searchRows: 3 } })
  assert.deepEqual(sumOfGauges([one, null]), { ...one, isAvailable: false })
  assert.deepEqual(sumOfGauges([null]), { isAvailable: false, waiting: 0, lastCommitOperations: 0, indexer: null })
})
