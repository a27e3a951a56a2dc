import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localError } from '../../protocol/client/client-error.js'
import type { AccountOptions } from './argument-values.js'
import { asFailure } from './connect.js'
import { EXIT } from './failure.js'

const ACCOUNT: AccountOptions = {
  server: 'tcp://127.0.0.1:5322', user: 'alice', passwordFile: 'p', device: null, stateRoot: null, certificateFile: null, allowsPlaintext: false,
}
const CHOICE = { user: 'alice', device: 'laptop-send', deviceName: '', directory: '/state' }

test('what the system said of a state that can not be written is told, once', () => {
  const full = new Error('ENOSPC: no space left on device, write')
  const told = asFailure(localError('storage-failed', 'the storage /state could not write', full), ACCOUNT, CHOICE)
  assert.equal(told.exitCode, EXIT.state)
  assert.match(told.message, /could not write \(ENOSPC: no space left on device, write\)$/)
  const same = asFailure(localError('storage-failed', `the storage can't be opened: ${full.message}`, full), ACCOUNT, CHOICE)
  assert.equal(same.message.split('ENOSPC').length, 2)
})
