/** A register frame on a connection that has not authenticated: checks, the shard's word, and the answer. */
import { normalizeUser } from '../../protocol/address.js'
import { encodeRegistered, type RegisterFrame } from '../../protocol/generated/frames.js'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import { SCRAM_SALT_BYTES } from '../../protocol/scram.js'
import type { Connection } from '../connection/connection.js'
import type { ConnectionEnvironment } from '../connection/connections.js'
import { RouterError } from '../router/router.js'
import { readInviteCode } from './invite-code.js'
import type { Registrations } from './registrations.js'
import type { Registration } from '../accounts/registration-router.js'

const KEY_BYTES = 32

/**
 * Answers registered, or closes the connection. Rejects with a RouterError where the shard can't be reached. Who is refused has failed
 * an authentication as well, as far as its address is concerned: guessing is guessing.
 */
export async function answerRegister(connection: Connection, environment: ConnectionEnvironment, frame: RegisterFrame): Promise<void> {
  const { config, router, log, admission } = environment
  const { registrations } = connection.connections
  const { remoteAddress } = connection.transport
  const { offer } = registrations
  if (config.auth.requireEncryption && !connection.transport.isEncrypted) { // [INV-10]
    connection.close(ERROR.encryptionRequired)
    return
  }
  if (offer === null) { // [INV-1]
    connection.close(ERROR.registrationClosed)
    return
  }
  // Who has to wait for other reasons takes nothing of what all share.
  const waitMs = admission.authenticationWaitMs(remoteAddress) || registrations.attempt(remoteAddress)
  if (waitMs > 0) { // [INV-11]
    connection.close(ERROR.tooManyAttempts, waitMs)
    return
  }
  const refuse = (code: ErrorCode): void => {
    registrations.failed()
    admission.authenticationFailed(remoteAddress)
    log.warn({ session: connection.id, address: remoteAddress, code }, 'registration-refused')
    connection.close(code)
  }
  const registration = readRegistration(frame, offer, registrations)
  if (registration === null) {
    refuse(ERROR.malformedRegistration)
    return
  }
  let isNew: boolean
  try {
    isNew = await router.register(registration)
  } catch (error) {
    if (!(error instanceof RouterError) || (error.code !== ERROR.inviteInvalid && error.code !== ERROR.nameTaken)) {
      registrations.failed()
      throw error
    }
    refuse(error.code)
    return
  }
  const { user, invite } = registration
  if (isNew) log.info({ session: connection.id, address: remoteAddress, user, invite: invite === 'none' ? undefined : invite?.id }, 'account-registered')
  else registrations.failed() // [INV-7]
  connection.send(encodeRegistered(user))
}

/**
 * null: the name or the verifier breaks the rules. A verifier that keeps to the form harms its owner alone, whatever it holds: nobody
 * can log in with one made at random, and what was made from a weak password is no weaker for being sent. The iterations are those of
 * all accounts, so that none is known by its own. [INV-3]
 */
function readRegistration(
  frame: RegisterFrame, { mode, iterations }: { readonly mode: 'open' | 'invite'; readonly iterations: number }, { keptBack }: Registrations,
): Registration | null {
  const user = normalizeUser(frame.user)
  const { salt, storedKey, serverKey } = frame
  if (user === null || frame.iterations !== iterations) return null
  if (salt.length !== SCRAM_SALT_BYTES || storedKey.length !== KEY_BYTES || serverKey.length !== KEY_BYTES) return null
  return {
    user,
    // Copies: the frame's bytes are the decoder's.
    verifier: { salt: Buffer.from(salt), iterations, storedKey: Buffer.from(storedKey), serverKey: Buffer.from(serverKey) },
    invite: mode === 'open' ? 'none' : readInviteCode(frame.invite),
    isKeptBack: keptBack.has(user),
  }
}
