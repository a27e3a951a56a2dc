/** The shard's blob commands, called from the process of blobs. */
import type { Blob, BlobCommands, BlobPlace, BlobUsage, Upload, UploadRequest } from '../blob-router.js'
import type { Calls } from './calls.js'

export class RemoteCommands implements BlobCommands {
  readonly #calls: Calls

  constructor(calls: Calls) {
    this.#calls = calls
  }

  openUpload(user: string, request: UploadRequest): Promise<{ readonly blob: Blob } | { readonly upload: Upload }> {
    return this.#calls.call('openUpload', user, request)
  }

  upload(id: string): Promise<Upload | null> {
    return this.#calls.call('upload', id)
  }

  storing(id: string, objects: readonly string[]): Promise<boolean> {
    return this.#calls.call('storing', id, objects)
  }

  finishUpload(id: string, blob: Blob): Promise<Blob | null> {
    return this.#calls.call('finishUpload', id, blob)
  }

  abandonUpload(id: string): Promise<void> {
    return this.#calls.call('abandonUpload', id)
  }

  uploaded(user: string, uploadId: string): Promise<{ readonly blob: Blob } | { readonly upload: Upload }> {
    return this.#calls.call('uploaded', user, uploadId)
  }

  find(user: string, place: BlobPlace): Promise<Blob> {
    return this.#calls.call('find', user, place)
  }

  keep(user: string, conversation: string, seq: number, id: string): Promise<Blob> {
    return this.#calls.call('keep', user, conversation, seq, id)
  }

  blob(id: string): Promise<Blob | null> {
    return this.#calls.call('blob', id)
  }

  usage(user: string): Promise<BlobUsage> {
    return this.#calls.call('usage', user)
  }
}

/** What answers them, in the server. */
export function commandHandlers(commands: BlobCommands): Record<keyof BlobCommands, (...given: never[]) => Promise<unknown>> {
  return {
    openUpload: (user: string, request: UploadRequest) => commands.openUpload(user, request),
    upload: (id: string) => commands.upload(id),
    storing: (id: string, objects: readonly string[]) => commands.storing(id, objects),
    finishUpload: (id: string, blob: Blob) => commands.finishUpload(id, blob),
    abandonUpload: (id: string) => commands.abandonUpload(id),
    uploaded: (user: string, uploadId: string) => commands.uploaded(user, uploadId),
    find: (user: string, place: BlobPlace) => commands.find(user, place),
    keep: (user: string, conversation: string, seq: number, id: string) => commands.keep(user, conversation, seq, id),
    blob: (id: string) => commands.blob(id),
    usage: (user: string) => commands.usage(user),
  }
}
