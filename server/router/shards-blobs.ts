/**
 * Blobs where there are several shards: each call goes to the home of the user, conversation or blob that it concerns. Of an upload only its id is
 * told; where it is at home, all are asked once. A blob's home knows it, and who holds it has a copy, which serves where the home is away.
 */
import type { Blob, BlobCommands, BlobPlace, Upload } from '../blobs/blob-router.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { firstAnswer } from './first-answer.js'
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
    blob: (id) => blobOf(homes, id),
    upload: (id) => uploads.find(id),
    storing: async (id, objects) => await (await uploads.home(id))?.storing(id, objects) ?? false,
    finishUpload: async (id, blob) => await (await uploads.home(id))?.finishUpload(id, blob) ?? null,
    abandonUpload: async (id) => (await uploads.home(id))?.abandonUpload(id),
  }
}

/**
 * Of its home, or of a shard that has a copy: the home may be away, or not have heard yet of what has just been uploaded. null: there is none.
 * Rejects where nobody has it, and a shard that may can't be asked.
 */
async function blobOf(homes: Homes, id: string): Promise<Blob | null> {
  const home = homes.of(id)
  const others = homes.all.filter((router) => router !== home)
  let failure: { readonly reason: unknown } | null = null
  // A home that is away may be waited for, where nobody else can say.
  for (const routers of home.isReachable ? [[home], others] : [others, [home]]) {
    try {
      const blob = await firstAnswer(routers.map(async (router) => blobsOf(router).blob(id)))
      if (blob !== null) return blob
    } catch (reason) {
      failure ??= { reason }
    }
  }
  if (failure !== null) throw failure.reason
  return null
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
    return firstAnswer(all.map(async (router, shard) => {
      const upload = await blobsOf(router).upload(id)
      if (upload !== null) this.#remember(id, shard)
      return upload
    }))
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
