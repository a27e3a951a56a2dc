/** Where the bytes of blobs are, as the configuration says: opened and tried before anything else is served. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { BlobError, type BlobStore } from '../../storage/blobs/blob-store.js'
import { FileBlobStore } from '../../storage/blobs/file-blob-store.js'
import { S3BlobStore } from '../../storage/blobs/s3-blob-store.js'
import { Staging } from '../../storage/blobs/staging.js'
import { ConfigError } from '../config/config.js'
import { readS3Credentials } from '../config/s3-credentials.js'
import type { Config } from '../config/settings.js'
import type { Log } from '../log.js'
import type { BlobEnvironment } from '../shard/environment.js'
import type { ObjectEraser } from './blob-router.js'
import { DiskRoom } from './disk-room.js'

/** In the data directory, where the configuration names no other. */
export const BLOBS_FOLDER = 'blobs'

export interface BlobStorage {
  readonly store: BlobStore
  readonly staging: Staging
  readonly room: DiskRoom
  readonly eraser: StoreEraser
  /** Uploads, and what was made of them, that an earlier process has left. */
  readonly leftIds: readonly string[]
}

const NEVER = new AbortController().signal

/** What the S3 client may take and do; nothing an operator would have to choose. */
const S3 = {
  attemptsMax: 4, backoffMs: 200, backoffMaxMs: 3000, listPageMax: 1000, connectTimeoutMs: 5000, idleTimeoutMs: 20_000, connectionsMax: 256,
  random: Math.random,
}

/**
 * Rejects with ConfigError and BlobError, each one line for the operator. A store that only does not answer is no reason not to start:
 * messages need none, and uploads are told to come back. That takes it a minute, which `stopping` ends: it rejects with the reason of that.
 */
export async function openBlobStorage(
  config: Config, environment: Readonly<Record<string, string | undefined>>, log: Log, stopping: AbortSignal = NEVER,
): Promise<BlobStorage> {
  const { blobs, data } = config
  const directory = blobs.directory === '' ? join(data.directory, BLOBS_FOLDER) : blobs.directory
  const staging = await Staging.open(directory)
  const store = blobs.store === 's3' ? openS3(blobs, environment) : await FileBlobStore.open(directory)
  try {
    await checkStore(store, log, stopping)
  } catch (error) {
    await store.close()
    throw error
  }
  const room = new DiskRoom(() => staging.freeBytes(), blobs.freeBytesMin)
  return { store, staging, room, eraser: new StoreEraser(store, staging), leftIds: await stagedIds(staging) }
}

async function checkStore(store: BlobStore, log: Log, stopping: AbortSignal): Promise<void> {
  stopping.throwIfAborted()
  // What it waits for ends with it.
  const close = (): void => { store.close().catch(() => { /* told to who closes it below */ }) }
  stopping.addEventListener('abort', close)
  try {
    await store.check()
  } catch (error) {
    stopping.throwIfAborted()
    if (!(error instanceof BlobError && error.code === 'unavailable')) throw error
    log.warn({ error }, 'blob-store-unavailable')
  } finally {
    stopping.removeEventListener('abort', close)
  }
  stopping.throwIfAborted()
}

/** What lies there now. */
export async function stagedIds(staging: Staging): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of staging.list()) ids.push(id)
  return ids
}

/** What the shard is given of it. */
export function blobEnvironment({ room, eraser }: BlobStorage): BlobEnvironment {
  return { eraser, hasRoomFor: (bytes) => room.has(bytes), forgotten: (objects) => { eraser.onForgotten(objects) }, randomBytes }
}

function openS3(blobs: Config['blobs'], environment: Readonly<Record<string, string | undefined>>): S3BlobStore {
  const credentials = readS3Credentials(blobs.s3CredentialsFile, environment)
  try {
    return new S3BlobStore({
      endpoint: blobs.s3Endpoint, region: blobs.s3Region, bucket: blobs.s3Bucket, prefix: blobs.s3Prefix, pathStyle: blobs.s3PathStyle, ...credentials, ...S3,
    })
  } catch (error) {
    if (error instanceof TypeError) throw new ConfigError(`blobs.s3…: ${error.message}`)
    throw error
  }
}

export class StoreEraser implements ObjectEraser {
  readonly #store: BlobStore
  readonly #staging: Staging
  /** Who remembers blobs. */
  onForgotten: (objects: readonly string[]) => void = () => {}
  /** Who writes uploads, where that is another process: it has to let go of one first. Resolves with false: nobody does now. */
  eraseElsewhere: (uploadId: string) => Promise<boolean> = () => Promise.resolve(false)

  constructor(store: BlobStore, staging: Staging) {
    this.#store = store
    this.#staging = staging
  }

  async erase(object: string): Promise<void> {
    await this.#store.delete(object)
  }

  /** A body that is still written to it could go on for as long as its sender likes: it is ended, and this tried again. */
  async eraseStaged(uploadId: string): Promise<void> {
    if (await this.eraseElsewhere(uploadId)) return
    if (await this.#staging.remove(uploadId)) return
    this.#staging.interrupt(uploadId)
    throw new BlobError('unavailable', `the upload ${uploadId} is being written`)
  }
}
