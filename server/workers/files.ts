/**
 * The files of a server of several shards: one process has them, and the workers ask it for what can't be done without. A link of its own, beside the
 * sessions; what goes over it is in the forms in which it goes to the process of blobs.
 */
import { ERROR } from '../../protocol/generated/registry.js'
import type { UploadEnds } from '../blobs/blob-desk.js'
import type { ObjectEraser } from '../blobs/blob-router.js'
import type { BlobService } from '../blobs/blob-service.js'
import type { BlobStorage } from '../blobs/blob-storage.js'
import { errorFrom, type SentError, sentError } from '../blobs/process/calls.js'
import { NodeCallServer, type NodeCalls, NODE_PURPOSE, NodeLinks } from '../cluster/node-links.js'
import type { LinkIdentity } from '../link/handshake.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import type { LinkAddress } from '../link/link-address.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { openLinkListener } from '../link/link-sockets.js'
import { RouterError } from '../router/router.js'
import { dialAddress } from './reach.js'

type Answered<T> = { readonly value: T } | { readonly error: SentError }

/** Where uploads are looked after, once that has begun. */
export type Uploads = () => Pick<BlobService, 'desk'> | null

/** The process that has them. Resolves to what closes the way to them. Rejects with the error of `listen`. */
export async function openFiles(
  path: string, { storage, uploads }: { readonly storage: BlobStorage, readonly uploads: Uploads }, identity: LinkIdentity, environment: LinkEnvironment,
): Promise<() => void> {
  const acceptor = new LinkAcceptor(identity, environment, { [NODE_PURPOSE]: new NodeCallServer(callsOf(storage, uploads), environment) })
  const address: LinkAddress = { kind: 'unix', path }
  const listener = await openLinkListener(address, null, (transport) => acceptor.accept(transport))
  return () => {
    listener.stop()
    acceptor.close()
  }
}

function callsOf({ eraser, room }: BlobStorage, uploads: Uploads): NodeCalls {
  return {
    hasRoomFor: (bytes) => room.has(Number(bytes)),
    eraseStaged: (id) => eraser.eraseStaged(String(id)),
    erase: async (object) => {
      // The shard that has forgotten it is in another process than what remembers it.
      eraser.onForgotten([String(object)])
      await eraser.erase(String(object))
    },
    whatBecame: (asked) => answered(() => {
      const [user, id] = asked as readonly [string, string]
      const service = uploads()
      if (service === null) throw new RouterError(ERROR.unavailable, 'the server is starting', { retryAfterMs: 1000 })
      return service.desk.whatBecame(user, id)
    }),
  }
}

async function answered<T>(ask: () => Promise<T>): Promise<Answered<T>> {
  try {
    return { value: await ask() }
  } catch (error) {
    return { error: sentError(error) }
  }
}

/** The same as a worker has it. */
export class RemoteFiles implements ObjectEraser, UploadEnds {
  readonly #links: NodeLinks
  readonly #node: string
  readonly #address: string

  /** `node`: the process that has them, at this address. */
  constructor(node: string, address: string, identity: LinkIdentity, environment: LinkEnvironment) {
    this.#node = node
    this.#address = address
    this.#links = new NodeLinks({ identity, environment, dial: (to) => dialAddress(to, environment) })
  }

  close(): void {
    this.#links.close()
  }

  async erase(object: string): Promise<void> {
    await this.#ask('erase', object)
  }

  async eraseStaged(uploadId: string): Promise<void> {
    await this.#ask('eraseStaged', uploadId)
  }

  async hasRoomFor(bytes: number): Promise<boolean> {
    return await this.#ask('hasRoomFor', bytes) === true
  }

  async whatBecame(...asked: Parameters<UploadEnds['whatBecame']>): ReturnType<UploadEnds['whatBecame']> {
    const answer = await this.#ask('whatBecame', asked) as Answered<Awaited<ReturnType<UploadEnds['whatBecame']>>>
    if ('error' in answer) throw errorFrom(answer.error)
    return answer.value
  }

  async #ask(name: string, argument: unknown): Promise<unknown> {
    try {
      return await this.#links.ask(this.#node, this.#address, name, argument)
    } catch (error) {
      if (error instanceof RouterError) throw error
      throw new RouterError(ERROR.unavailable, 'the files can\'t be reached', { retryAfterMs: 1000, cause: error })
    }
  }
}
