/** The extension `registration` of features: how new accounts are made on this connection, and what their verifiers must be like. */
import { EXTENSION } from './generated/registry.js'
import { decodeExtensions, encodeExtensions } from './extensions.js'
import { Reader } from './reader.js'
import { uintSize, writeUint } from './writer.js'

export interface RegistrationOffer {
  /** `invite`: with a code alone. */
  readonly mode: 'open' | 'invite'
  /** Of the SCRAM verifier. [INV-3] */
  readonly iterations: number
}

const MODES = { open: 1, invite: 2 } as const

/** The extensions of features with this offer. */
export function encodeRegistrationOffer({ mode, iterations }: RegistrationOffer): Uint8Array {
  const value = new Uint8Array(uintSize(MODES[mode]) + uintSize(iterations))
  writeUint(value, writeUint(value, 0, MODES[mode]), iterations)
  return encodeExtensions([{ key: EXTENSION.registration, value }])
}

/** The offer among the extensions of features; null: none, or one that this version does not understand. [INV-1] */
export function decodeRegistrationOffer(extensions: Uint8Array): RegistrationOffer | null {
  const value = decodeExtensions(extensions)?.find(({ key }) => key === EXTENSION.registration)?.value
  if (value === undefined) return null
  const reader = new Reader()
  reader.reset(value, 0, value.length)
  const mode = reader.uint()
  const iterations = reader.uint()
  if (reader.failed || (mode !== MODES.open && mode !== MODES.invite)) return null
  return { mode: mode === MODES.open ? 'open' : 'invite', iterations }
}
