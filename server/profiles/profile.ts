/** A profile: what a user shows of itself. Its version follows from what is shown, so that what is hidden leaves no trace in it. */
import { createHash } from 'node:crypto'
import { isBlobId } from '../../protocol/attachments.js'
import { checkDisplayText } from '../../protocol/display-text.js'
import { ERROR, type ErrorCode, LIMIT } from '../../protocol/generated/registry.js'
import type { Engine } from '../../storage/engine.js'
import { StorageError } from '../../storage/engine.js'
import { userKeys, type UserKeys } from '../../storage/user-keys.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'

export interface Profile {
  /** Not unique, and not checked against anybody: shown with the address beside it. */
  readonly name: string
  readonly about: string
  /** Id of a blob; '': none. COMPAT: in rows of chatd before blobs anything else; it is shown and can't be downloaded. */
  readonly picture: string
}

/** A profile as it stands in the store. */
export interface StoredProfile {
  readonly profile: Profile
  /** Whether its picture is a blob that the user holds for it. */
  readonly isPictureHeld: boolean
}

export const NO_PROFILE: Profile = { name: '', about: '', picture: '' }

const ROW_VERSION = 1
const writer = new ValueWriter()

/** 0: fine, as far as its form goes. [PRF-1] [PRF-3] */
export function checkProfile(profile: Partial<Profile>): ErrorCode | 0 {
  const { name = '', about = '', picture = '' } = profile
  if (picture !== '' && !isBlobId(picture)) return ERROR.noSuchBlob
  return checkName(name, LIMIT.profileNameCharactersMax) || checkName(about, LIMIT.profileAboutCharactersMax)
}

/** 0: fine. [PRF-1] */
export function checkName(text: string, charactersMax: number): ErrorCode | 0 {
  const fault = checkDisplayText(text, charactersMax)
  if (fault === null) return 0
  return fault === 'too-long' ? ERROR.textTooLong : ERROR.malformedText
}

/** What the profile shows to somebody whom its owner has blocked. [PRF-6] */
export function withheld({ name }: Profile): Profile {
  return { ...NO_PROFILE, name }
}

/** 1 to 2^48: the same for the same content. [PRF-4] */
export function versionOf({ name, about, picture }: Profile): number {
  const digest = createHash('sha256').update(JSON.stringify([name, about, picture])).digest()
  return digest.readUIntBE(0, 6) + 1
}

export async function readProfile(engine: Engine, keys: UserKeys): Promise<Profile> {
  return (await readStoredProfile(engine, keys)).profile
}

export async function readStoredProfile(engine: Engine, keys: UserKeys): Promise<StoredProfile> {
  const row = await engine.get(keys.profile())
  return row === undefined ? { profile: NO_PROFILE, isPictureHeld: false } : decodeProfile(row)
}

export function decodeProfile(row: Uint8Array): StoredProfile {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== ROW_VERSION) throw new StorageError('corrupt', `a profile has the unknown version ${String(version)}`)
  const profile = { name: reader.string(), about: reader.string(), picture: reader.string() }
  return { profile, isPictureHeld: reader.more && reader.bool() }
}

export function encodeProfile({ profile: { name, about, picture }, isPictureHeld }: StoredProfile): Uint8Array {
  return writer.begin().uint(ROW_VERSION).string(name).string(about).string(picture).bool(isPictureHeld).take()
}

/** Of one profile: as everybody is shown it, and as those are whom its owner has blocked. */
export interface ProfileVersions {
  readonly shown: number
  readonly withheld: number
}

export async function readVersions(engine: Engine, owner: string): Promise<ProfileVersions> {
  const profile = await readProfile(engine, userKeys(owner))
  return { shown: versionOf(profile), withheld: versionOf(withheld(profile)) }
}
