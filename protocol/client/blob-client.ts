/** Files of a client: uploads and downloads side by side, a few at a time, each of which goes on until it is done. See spec/blobs.md. */
import type { Attachment } from '../attachments.js'
import { isFileName, isMediaType } from '../attachments.js'
import { EMPTY_BYTES } from '../bytes.js'
import { LIMIT } from '../generated/registry.js'
import { Download } from './blob-download.js'
import type { OpenTarget } from './blob-download.js'
import { keepQuery, readKept, readUsage, usageQuery } from './blob-elements.js'
import type { BlobInfo, BlobPlace, BlobUsage, Rendition } from './blob-elements.js'
import { memorySource, MemoryTarget } from './blob-memory.js'
import type { UploadSource } from './blob-platform.js'
import { Transfer } from './blob-transfer.js'
import type { BlobEnvironment, TransferOptions } from './blob-transfer.js'
import { Upload } from './blob-upload.js'
import { localError } from './client-error.js'
import { typeOfName } from './media-types.js'

/** Uploads and downloads at once; others wait. More would take the network from one another, and from the messages. */
const TRANSFERS_MAX = 4

/** What can be uploaded. A path is for Node alone; the file is read piece by piece, never as a whole. */
export type Uploadable = Blob | Uint8Array | { readonly path: string }

export interface UploadOptions extends TransferOptions {
  /** Media type without parameters. Default: that of the Blob, else what the name tells; the server looks into the bytes anyway. */
  readonly type?: string
  /** Name to show. Default: that of the File, or the last part of the path; `''`: none. What can't be a name is changed to what can. */
  readonly name?: string
  /** Takes out of a picture what it says of its camera and place. Default false. */
  readonly strip?: boolean
  /** It is to be the picture of a profile or a group. Default false. */
  readonly picture?: boolean
}

/** What became of an upload: can be put into the `attachments` of a message as it is. */
export interface UploadedBlob extends Attachment {
  /** There are square versions: it can be the picture of a profile or a group. */
  readonly picture: boolean
}

/**
 * What to download: an attachment of a message, the picture of a profile or a group, or a blob that the user holds itself.
 * `attachment`: the attachment, or its id.
 */
export type BlobReference =
  | { readonly with: string; readonly seq: number; readonly attachment: Pick<Attachment, 'id'> | string }
  | { readonly user: string }
  | { readonly group: string }
  | { readonly id: string }

export interface DownloadOptions extends TransferOptions {
  /** Default `original`. */
  readonly rendition?: Rendition
}

/** To a file, in Node. */
export interface FileDownloadOptions extends DownloadOptions {
  /** Gets its name when all of it is there, checked and on the disk; until then it grows beside it, and is gone on with. */
  readonly path: string
  /** Whether a file of that name is replaced; else rejects with file-exists. Default true. */
  readonly replaces?: boolean
}

/** What was downloaded; its hash is that of `bytes`, checked. [BLB-21] */
export interface DownloadedBlob {
  /** As the server found it in the bytes. A page shows pictures, videos and sound by it, and nothing else: HTML or SVG would act as part of it. */
  readonly type: string
  readonly size: number
  /** SHA-256, 64 hexadecimal digits. */
  readonly hash: string
  /** Empty where it went to a file. */
  readonly bytes: Uint8Array
}

export class BlobClient {
  readonly #environment: BlobEnvironment
  readonly #transfers = new Set<Transfer>()
  #running = 0
  readonly #waiting: (() => void)[] = []
  /** Why nothing begins any more. */
  #ended: unknown = null

  constructor(environment: BlobEnvironment) {
    this.#environment = environment
  }

  /** See `BaseClient.upload`. */
  upload(file: Uploadable, options: UploadOptions): Promise<UploadedBlob> {
    return this.#run(options, async (transfer) => {
      const source = await this.#open(file)
      try {
        if (source.size === 0) throw localError('empty-file', 'there are no bytes to upload')
        const hash = await source.hash(transfer.over)
        const name = options.name ?? source.name
        const type = typeOf(options.type ?? source.type, name)
        const request = { size: source.size, hash, type, strip: options.strip ?? false, picture: options.picture ?? false }
        const blob = await new Upload(transfer, source, request).run()
        return uploaded(blob, fileName(name))
      } finally {
        await source.close()
      }
    })
  }

  /** See `BaseClient.download`. */
  download(reference: BlobReference, options: DownloadOptions | FileDownloadOptions): Promise<DownloadedBlob> {
    return this.#run(options, async (transfer) => {
      const memory = new MemoryTarget()
      const { newHash } = this.#environment.blobs
      const open: OpenTarget = 'path' in options ? async ({ hash }) => this.#openFile(options, hash) : async () => memory
      const { type, size, hash } = await new Download(transfer, placeOf(reference), options.rendition ?? 'original', newHash).run(open)
      return { type, size, hash, bytes: memory.bytes }
    })
  }

  /** See `BaseClient.keepBlob`. */
  async keep(conversation: string, seq: number, id: string): Promise<BlobInfo> {
    return this.#environment.ask(keepQuery(conversation, seq, id), readKept)
  }

  async usage(): Promise<BlobUsage> {
    return this.#environment.ask(usageQuery(), readUsage)
  }

  /** The client is connected again: whatever waits for a network tries at once. */
  connected(): void {
    for (const transfer of this.#transfers) transfer.hurry()
  }

  /** The client has ended: so has all this. */
  end(reason: unknown): void {
    this.#ended ??= reason
    for (const transfer of this.#transfers) transfer.end(reason)
  }

  async #run<T>(options: TransferOptions, work: (transfer: Transfer) => Promise<T>): Promise<T> {
    const transfer = new Transfer(this.#environment, options)
    if (this.#ended !== null) transfer.end(this.#ended)
    this.#transfers.add(transfer)
    try {
      await this.#turn(transfer.over)
      try {
        transfer.over.throwIfAborted()
        return await work(transfer)
      } finally {
        this.#running -= 1
        this.#wakeAll()
      }
    } finally {
      this.#transfers.delete(transfer)
      transfer.release()
    }
  }

  /** Resolves when it may begin, in the order asked. */
  async #turn(over: AbortSignal): Promise<void> {
    const wakeAll = (): void => { this.#wakeAll() }
    over.addEventListener('abort', wakeAll)
    while (this.#running >= TRANSFERS_MAX && !over.aborted) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
    over.removeEventListener('abort', wakeAll)
    this.#running += 1
  }

  /** Who still has to wait goes behind nobody: all look again in the order in which they stand. */
  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #open(file: Uploadable): Promise<UploadSource> {
    const { newHash, openSource } = this.#environment.blobs
    // A File may have a path of its own, which is none that this may open.
    if (file instanceof Uint8Array || 'arrayBuffer' in file) return memorySource(file, newHash)
    if (openSource === null) throw new TypeError('there are no paths here: give a File, a Blob or bytes')
    return openSource(file.path)
  }

  async #openFile({ path, replaces = true }: FileDownloadOptions, hash: string): ReturnType<OpenTarget> {
    const { openTarget } = this.#environment.blobs
    if (openTarget === null) throw new TypeError('there are no paths here')
    return openTarget({ path, replaces, hash })
  }
}

/** What no type is made of goes by the name. */
function typeOf(text: string, name: string): string {
  const type = (text.split(';', 1)[0] ?? '').trim().toLowerCase()
  return isMediaType(type) ? type : typeOfName(name)
}

/** What can be the name of an attachment: without what makes it a path, acts on a terminal or turns the direction, and not too long. [BLB-11] */
export function fileName(text: string): string {
  const name = text.split(/[/\\]/).at(-1)?.replace(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu, '').trim() ?? ''
  if (isFileName(name)) return name
  // The end of a name tells what it is.
  const [, stem = name, extension = ''] = /^(.*?)(\.[^.]{1,16})?$/su.exec(name) ?? []
  for (let characters = [...stem].slice(0, LIMIT.attachmentNameBytesMax); characters.length > 0; characters = characters.slice(0, -1)) {
    const shorter = characters.join('') + extension
    if (isFileName(shorter)) return shorter
  }
  return ''
}

function uploaded(blob: BlobInfo, name: string): UploadedBlob {
  return { ...attachmentOf(blob), name, picture: blob.picture }
}

/** The attachment that refers to a blob that the user holds. */
export function attachmentOf({ id, type, size, width, height, placeholder, thumbnail }: BlobInfo): Attachment {
  return { id, type, size, name: '', width, height, durationMs: 0, placeholder, thumbnail, preview: '', key: EMPTY_BYTES }
}

function placeOf(reference: BlobReference): BlobPlace {
  if (!('attachment' in reference)) return reference
  const { attachment } = reference
  return { with: reference.with, seq: reference.seq, id: typeof attachment === 'string' ? attachment : attachment.id }
}
