/**
 * What sessions and the HTTP side ask of the shard about blobs. The bytes are none of its business: it keeps who holds what, what is
 * under way, what carries what, and the keys. Each promise is rejected with RouterError; changes are on disk when it resolves.
 */

/** Bytes in the blob store, encrypted with a key of their own (AES-256-CTR, the counter beginning at 0). */
export interface StoredObject {
  /** Its name in the store: SHA-256 of the bytes as stored, 64 hexadecimal digits. */
  readonly object: string
  /** 32 bytes; without it the object is noise. [BLB-22] */
  readonly key: Uint8Array
  /** SHA-256 of the plain bytes, 64 hexadecimal digits. */
  readonly hash: string
  /** Bytes, the same plain and stored. */
  readonly size: number
  /** Media type, found in the bytes. [BLB-3] */
  readonly type: string
}

export type RenditionKind = 'thumbnail' | 'square-640' | 'square-96'

/** A smaller version that the server has made. */
export interface StoredRendition extends StoredObject {
  readonly kind: RenditionKind
  readonly width: number
  readonly height: number
}

/** A blob whose bytes are in the store; `content.hash` is its id. [BLB-1] */
export interface Blob {
  readonly content: StoredObject
  /** As shown, in pixels; 0: not a picture that could be decoded, or one with more than `attachmentPixelsMax`. */
  readonly width: number
  readonly height: number
  /** ThumbHash; empty: none. */
  readonly placeholder: Uint8Array
  readonly renditions: readonly StoredRendition[]
}

export interface UploadRequest {
  /** Bytes. */
  readonly size: number
  /** SHA-256, 64 hexadecimal digits. */
  readonly hash: string
  readonly type: string
  readonly strip: boolean
  readonly picture: boolean
}

/** An upload under way. Where its bytes are staged, and how many, is the HTTP side's. */
export interface Upload extends UploadRequest {
  /** 32 hexadecimal digits. */
  readonly id: string
  readonly user: string
  /** What its staged bytes are encrypted with; becomes the blob's. 32 bytes. */
  readonly key: Uint8Array
  /** Unix time, ms. [BLB-14] */
  readonly expiresMs: number
}

/** Which picture or message a download is asked by. Addresses are normalised. */
export type BlobPlace =
  | { readonly kind: 'own', readonly id: string }
  | { readonly kind: 'message', readonly conversation: string, readonly seq: number, readonly id: string }
  | { readonly kind: 'profile', readonly user: string }
  | { readonly kind: 'group', readonly group: string }

export interface BlobUsage {
  /** Bytes of what the user holds and uploads. */
  readonly used: number
  /** 0: no limit. */
  readonly quota: number
}

export interface BlobCommands {
  /**
   * The blob, if the user holds it already; else the upload, known or new. [BLB-4, BLB-5, BLB-6] Sizes and types are checked by the
   * caller; quota-exceeded, storage-full and resource-limit here.
   */
  openUpload(user: string, request: UploadRequest): Promise<{ readonly blob: Blob } | { readonly upload: Upload }>
  /** null: there is none, or none any more. */
  upload(id: string): Promise<Upload | null>
  /**
   * Before the first object of a blob is put into the store: these names belong to it, so that after a crash they are either a blob's or
   * removed. Resolves with false when the upload is over.
   */
  storing(id: string, objects: readonly string[]): Promise<boolean>
  /**
   * All objects are in the store: the upload is over, and its user holds the blob for blobHoldMs. Where somebody holds the same content,
   * what is in the store already is used, and what was put in vain is erased. null: the upload is over (expired, abandoned).
   */
  finishUpload(id: string, blob: Blob): Promise<Blob | null>
  /** What was put into the store for it is erased. Does nothing where there is none. */
  abandonUpload(id: string): Promise<void>

  /** What became of an upload of the user: the blob, or the upload still under way; fails with no-such-blob otherwise. */
  uploaded(user: string, uploadId: string): Promise<{ readonly blob: Blob } | { readonly upload: Upload }>
  /** A blob that the user may see by that place. [BLB-16, BLB-17] */
  find(user: string, place: BlobPlace): Promise<Blob>
  /** Holds the blob of a message for a user who may read it. [BLB-15] */
  keep(user: string, conversation: string, seq: number, id: string): Promise<Blob>
  /** For a download whose URL was good. null: it was erased. */
  blob(id: string): Promise<Blob | null>
  usage(user: string): Promise<BlobUsage>
}

/** What the shard needs of the store: told after the commit that forgot their keys. Rejections are logged, and tried again. */
export interface ObjectEraser {
  erase(object: string): Promise<void>
  /** Nothing of an upload is needed any more: its staged bytes may go. */
  eraseStaged(uploadId: string): Promise<void>
}
