/**
 * Blobs where there are several shards: each call goes to the home of the user, conversation or blob that it concerns. Of an upload only its id is
 * told; where it is at home, all are asked once.
 */
import type { Blob, BlobCommands, BlobPlace, Upload } from '../blobs/blob-router.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { HomeRouter } from './home-router.js'
import { RouterError } from './router.js'
import type { Homes } from './shards-router.js'

/** Uploads whose homes are remembered: more than are under way at once, as a rule. */
const KNOWN_MAX = 4096

/** null: none are kept. */
export function shardBlobs(homes: Homes): BlobCommands | null {
  if (homes.all.some(({ blobs }) => blobs === null)) return null
  const uploads = new UploadHomes(homes)
  const at = (user: string): BlobCommands => blobsOf(homes.of(user))
  return {
    openUpload: (user, request) => at(user).openUpload(user, request),
    uploaded: (user, uploadId) => at(user).uploaded(user, uploadId),
    usage: (user) => at(user).usage(user),
    keep: (user, conversation, seq, id) => at(user).keep(user, conversation, seq, id),
    find: async (user, place) => blobsOf(homeOfPlace(homes, user, place)).find(user, place),
    blob: (id): Promise<Blob | null> => at(id).blob(id),
    upload: (id) => uploads.find(id),
    storing: async (id, objects) => await (await uploads.home(id))?.storing(id, objects) ?? false,
    finishUpload: async (id, blob) => await (await uploads.home(id))?.finishUpload(id, blob) ?? null,
    abandonUpload: async (id) => (await uploads.home(id))?.abandonUpload(id),
  }
}

function blobsOf({ blobs }: HomeRouter): BlobCommands {
  if (blobs === null) throw new RouterError(ERROR.unavailable, 'a shard keeps no blobs')
  return blobs
}

function homeOfPlace(homes: Homes, user: string, place: BlobPlace): HomeRouter {
  switch (place.kind) {
    case 'own': return homes.of(user)
    case 'message': return homes.ofConversation(user, place.conversation)
    case 'profile': return homes.of(place.user)
    case 'group': return homes.of(place.group)
  }
}

class UploadHomes {
  readonly #homes: Homes
  /** By id, the number of the shard. */
  readonly #known = new Map<string, number>()

  constructor(homes: Homes) {
    this.#homes = homes
  }

  /** null: there is no such upload, or none any more. Rejects where a shard that may have it can't be asked. */
  async find(id: string): Promise<Upload | null> {
    const { all } = this.#homes
    const known = this.#known.get(id)
    if (known !== undefined) return blobsOf(all[known]!).upload(id)
    const asked = await Promise.allSettled(all.map((router) => blobsOf(router).upload(id)))
    for (const [shard, answer] of asked.entries()) {
      if (answer.status !== 'fulfilled' || answer.value === null) continue
      this.#remember(id, shard)
      return answer.value
    }
    for (const answer of asked) if (answer.status === 'rejected') throw answer.reason
    return null
  }

  async home(id: string): Promise<BlobCommands | null> {
    if (!this.#known.has(id)) await this.find(id)
    const shard = this.#known.get(id)
    return shard === undefined ? null : blobsOf(this.#homes.all[shard]!)
  }

  #remember(id: string, shard: number): void {
    this.#known.set(id, shard)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KNOWN_MAX) break
      this.#known.delete(oldest)
    }
  }
}
