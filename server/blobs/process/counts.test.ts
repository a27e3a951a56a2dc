import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../../protocol/generated/registry.js'
import { Counters } from '../../metrics/metrics.js'
import { CountSum, CountWatch } from './counts.js'

test('changes add up to what was counted, and what went on ends with the process', () => {
  const [far, here] = [new Counters(), new Counters()]
  const [watch, sum] = [new CountWatch(far), new CountSum(here)]
  here.blobBytesIn = 5
  far.blobBytesIn += 10
  far.downloadsSending = 3
  far.uploadRefused(ERROR.hashMismatch)
  far.downloadAnswered(200)
  sum.add(watch.changes()!)
  assert.equal(watch.changes(), null)
  far.blobBytesIn += 1
  far.downloadsSending = 1
  far.downloadAnswered(200)
  far.downloadAnswered(404)
  sum.add(watch.changes()!)
  assert.deepEqual([here.blobBytesIn, here.downloadsSending, [...here.downloads], [...here.uploadsRefused.values()]], [16, 1, [['200', 2], ['404', 1]], [1]])
  sum.end()
  assert.deepEqual([here.blobBytesIn, here.downloadsSending], [16, 0])
})
