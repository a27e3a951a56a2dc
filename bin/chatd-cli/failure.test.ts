import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeFailure, EXIT } from './failure.js'

test('out of file descriptors it says what to do', () => {
  const error = Object.assign(new Error('EMFILE: too many open files, open \'x\''), { code: 'EMFILE' })
  assert.deepEqual(describeFailure(error), { exitCode: EXIT.failed, text: 'EMFILE: too many open files, open \'x\'; raise the limit of open files (ulimit -n, LimitNOFILE of a service)' })
})
