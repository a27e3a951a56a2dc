/** What bounds registrations: whose budget an attempt uses up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeRegister } from '../../protocol/generated/frames.js'
import { ERROR, FRAME } from '../../protocol/generated/registry.js'
import { configOf } from '../config/config.js'
import { Registrations } from './registrations.js'
import { createHarness, HELLO, settle } from './testing/harness.js'

const ITERATIONS = 4096

function registerFrame(user: string): Uint8Array {
  return encodeRegister(user, '', new Uint8Array(16), ITERATIONS, new Uint8Array(32), new Uint8Array(32))
}

async function outcome(harness: ReturnType<typeof createHarness>, address: string, user = 'carol'): Promise<number> {
  const transport = harness.connect({ address })
  transport.deliver(HELLO, registerFrame(user))
  await settle()
  const last = transport.take().at(-1)
  return last?.type === FRAME.close ? last.error : last?.type ?? 0
}

test('[INV-11] who has to wait for failed authentications uses up nothing of what all share', async () => {
  const harness = createHarness({
    auth: { registration: 'invite', registrationsPerHour: 10, registrationsBurst: 10, failuresBurst: 1, scramIterations: ITERATIONS },
  })
  harness.admission.authenticationFailed('203.0.113.9')
  for (let i = 0; i < 10; i++) assert.equal(await outcome(harness, '203.0.113.9'), ERROR.tooManyAttempts)
  assert.equal(await outcome(harness, '198.51.100.1'), ERROR.inviteInvalid)
})

test('[INV-7] [INV-11] to repeat a register that has succeeded uses up nothing of what all share', async () => {
  const harness = createHarness({ auth: { registration: 'open', registrationsPerHour: 2, registrationsBurst: 100, scramIterations: ITERATIONS } })
  let isNew = true
  harness.router.register = () => Promise.resolve(isNew)
  assert.equal(await outcome(harness, '203.0.113.9'), FRAME.registered)
  isNew = false
  for (let i = 0; i < 10; i++) assert.equal(await outcome(harness, '203.0.113.9'), FRAME.registered)
  isNew = true
  assert.equal(await outcome(harness, '198.51.100.1'), FRAME.registered)
  assert.equal(await outcome(harness, '198.51.100.1'), ERROR.tooManyAttempts, 'new ones do')
})

test('[INV-6] a name is kept back however the operator writes it', async () => {
  const harness = createHarness({ auth: { registration: 'open', reservedNames: ['Boss', 'not a name'], scramIterations: ITERATIONS } })
  const keptBack: boolean[] = []
  harness.router.register = (registration) => {
    keptBack.push(registration.isKeptBack)
    return Promise.resolve(true)
  }
  await outcome(harness, '203.0.113.9', 'BOSS')
  await outcome(harness, '203.0.113.9', 'bossy')
  assert.deepEqual(keptBack, [true, false])
})

test('[INV-11] attempts from more networks than are remembered shut nobody else out, and take no more memory', () => {
  const registrations = new Registrations(configOf({ auth: { registration: 'open', registrationsBurst: 1 } }), { nowMs: () => 0, monotonicMs: () => 0 })
  const attempt = (address: string): number => {
    const waitMs = registrations.attempt(address)
    if (waitMs === 0) registrations.failed()
    return waitMs
  }
  for (let i = 0; i < 100_010; i++) assert.equal(attempt(`2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`), 0)
  assert.equal(attempt('198.51.100.1'), 0)
  assert.ok(attempt('198.51.100.1') > 0)
  assert.equal(registrations.addresses, 100_000)
})
