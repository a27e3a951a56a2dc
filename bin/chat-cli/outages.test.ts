import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localError, serverError } from '../../protocol/client/client-error.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { AccountOptions } from './argument-values.js'
import { ChatFailure, EXIT } from './failure.js'
import { Outages } from './outages.js'

const [A, B] = ['tls://a.example:5323', 'tls://b.example:5323']
/** Named by a server, in go-to-host, and not by the user. */
const C = 'tls://c.example:5323'

function outages(server: string, certificateFile: string | null = null): Outages {
  const account: AccountOptions = { server, user: 'alice', passwordFile: '', device: null, stateRoot: null, certificateFile, allowsPlaintext: false }
  return new Outages(account)
}

const down = localError('connect-failed', 'connect ECONNREFUSED')
const distrusted = localError('connect-failed', 'self-signed certificate', Object.assign(new Error('no'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }))

function ended(told: string | ChatFailure | null): string {
  assert.ok(told instanceof ChatFailure)
  assert.equal(told.exitCode, EXIT.credentials)
  return told.message
}

test('an outage is told once, and again after there was a session', () => {
  const told = outages(A)
  assert.equal(told.lost(A, down), `no connection to ${A}, trying again: connect ECONNREFUSED`)
  assert.equal(told.lost(A, down), null)
  told.welcome()
  assert.match(String(told.lost(A, down)), /no connection/)
  assert.equal(outages(A).lost(A, localError('closed', '')) === null, false)
})

test('that one of several is stopped is told only where no other is reached', () => {
  const stopped = serverError(ERROR.shuttingDown, '', 0)
  const told = outages(`${A},${B}`)
  assert.equal(told.lost(A, stopped), null)
  assert.equal(told.lost(B, down), `no connection to ${B}, trying the others: connect ECONNREFUSED`)
  assert.equal(outages(A).lost(A, stopped), `no connection to ${A}, trying again: ${stopped.message}`)
})

test('a server that is alone and not trusted ends it, and the advice fits what was given', () => {
  assert.equal(ended(outages(A).lost(A, distrusted)), `the certificate of ${A} is not trusted (self-signed certificate): name the one to trust with --ca FILE`)
  assert.match(ended(outages('tls://a.example,tls://a.example:5323', 'my.crt').lost(A, distrusted)), /: my\.crt is not the right --ca$/)
})

test('of several it says once which is not trusted, and tries the others', () => {
  const told = outages(`${A},${B}`)
  assert.equal(told.lost(A, distrusted), `the certificate of ${A} is not trusted (self-signed certificate), trying the others: name the one to trust with --ca FILE`)
  assert.equal(told.lost(B, down), `no connection to ${B}, trying the others: connect ECONNREFUSED`)
  assert.equal(told.lost(A, distrusted), null)
  // Waiting may help: it was only down.
  assert.equal(told.lost(B, down), null)
  told.welcome()
  assert.equal(told.lost(A, distrusted), null)
})

test('where none of them is trusted it ends, and says of each why', () => {
  const told = outages(`${A},${B}`)
  told.lost(A, distrusted)
  assert.equal(
    ended(told.lost(B, distrusted)),
    `no certificate is trusted, of ${A} (self-signed certificate) nor of ${B} (self-signed certificate): name the one to trust with --ca FILE`,
  )
})

test('a server that is down by now is not counted among those that are not trusted', () => {
  const told = outages(`${A},${B}`)
  told.lost(A, distrusted)
  told.lost(B, down)
  told.lost(A, down)
  assert.match(String(told.lost(B, distrusted)), /^the certificate of tls:\/\/b/)
})

test('a host that a server sends on to is told of once where it is not trusted, and is none of those that the user named', () => {
  const told = outages(`${A},${B}`)
  assert.match(String(told.lost(A, down)), /trying the others/)
  assert.equal(told.lost(C, distrusted), `the certificate of ${C} is not trusted (self-signed certificate), trying the others: name the one to trust with --ca FILE`)
  assert.match(String(told.lost(B, distrusted)), /^the certificate of tls:\/\/b.*trying the others/, 'that of A may be fine')
  assert.equal(told.lost(C, distrusted), null)
  assert.match(ended(told.lost(A, distrusted)), /^no certificate is trusted, of tls:\/\/b\S+ \(\S+ certificate\) nor of tls:\/\/a\S+ \(\S+ certificate\): name/, 'both that were named')
})

test('a server that is alone is gone back to where the host that it sends on to is not trusted', () => {
  const told = outages(A)
  assert.equal(told.lost(A, serverError(ERROR.goToHost, '', 0)), null, 'nothing is amiss yet')
  assert.equal(told.lost(C, distrusted), `the certificate of ${C} is not trusted (self-signed certificate), trying ${A} again: name the one to trust with --ca FILE`)
  assert.equal(told.lost(C, distrusted), null)
  assert.match(ended(told.lost(A, distrusted)), /^the certificate of tls:\/\/a\S+ is not trusted/)
})
