/**
 * Whether another process has an engine's files open, without opening them, which would replay and rewrite them: both engines take their lock
 * first, and then refuse a database that is there, if they are told to.
 */
import { storageErrorCode } from './storage-error.js'

/** What the engine is opened with. */
export const PROBE = { createIfMissing: false, errorIfExists: true } as const

export async function isRefusedAsLocked(db: { open(): Promise<void>, close(): Promise<void> }): Promise<boolean> {
  try {
    await db.open()
  } catch (error) {
    return storageErrorCode(error) === 'locked'
  }
  await db.close()
  return false
}
