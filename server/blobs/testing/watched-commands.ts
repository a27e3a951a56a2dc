/** The shard's own blob commands, with a record of what was called, and failures where a test wants them. */
import type { Blob, BlobCommands, BlobPlace, BlobUsage, Upload, UploadRequest } from '../blob-router.js'

export class WatchedCommands implements BlobCommands {
  readonly calls: string[] = []
  /** The next call of this name fails with it, and changes nothing. */
  readonly failures = new Map<keyof BlobCommands, Error>()
  readonly #commands: BlobCommands

  constructor(commands: BlobCommands) {
    this.#commands = commands
  }

  openUpload(user: string, request: UploadRequest): Promise<{ readonly blob: Blob } | { readonly upload: Upload }> {
    return this.#watch('openUpload', () => this.#commands.openUpload(user, request))
  }

  upload(id: string): Promise<Upload | null> {
    return this.#watch('upload', () => this.#commands.upload(id))
  }

  storing(id: string, objects: readonly string[]): Promise<boolean> {
    return this.#watch('storing', () => this.#commands.storing(id, objects))
  }

  finishUpload(id: string, blob: Blob): Promise<Blob | null> {
    return this.#watch('finishUpload', () => this.#commands.finishUpload(id, blob))
  }

  abandonUpload(id: string): Promise<void> {
    return this.#watch('abandonUpload', () => this.#commands.abandonUpload(id))
  }

  uploaded(user: string, uploadId: string): Promise<{ readonly blob: Blob } | { readonly upload: Upload }> {
    return this.#watch('uploaded', () => this.#commands.uploaded(user, uploadId))
  }

  find(user: string, place: BlobPlace): Promise<Blob> {
    return this.#watch('find', () => this.#commands.find(user, place))
  }

  keep(user: string, conversation: string, seq: number, id: string): Promise<Blob> {
    return this.#watch('keep', () => this.#commands.keep(user, conversation, seq, id))
  }

  blob(id: string): Promise<Blob | null> {
    return this.#watch('blob', () => this.#commands.blob(id))
  }

  usage(user: string): Promise<BlobUsage> {
    return this.#watch('usage', () => this.#commands.usage(user))
  }

  async #watch<T>(name: keyof BlobCommands, call: () => Promise<T>): Promise<T> {
    this.calls.push(name)
    const failure = this.failures.get(name)
    if (failure === undefined) return call()
    this.failures.delete(name)
    throw failure
  }
}
