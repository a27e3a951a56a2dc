/** What uploads and downloads need of the world around them: HTTP, hashing, files. Node and browsers fill it, and tests replace it. */

/** One request. Redirects are not followed: token and URL are for nobody else. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PATCH' | 'PUT'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | Blob | null
  /** Ends it, also while its body is read. */
  readonly signal: AbortSignal
}

export interface HttpResponse {
  readonly status: number
  /** null: it is not there, or hidden from this page. */
  header(name: string): string | null
  /** Read it, or abort the request. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Rejects when there is no answer: whatever the reason, the bytes may have arrived or not. */
export type SendHttp = (request: HttpRequest) => Promise<HttpResponse>

/** SHA-256 of bytes that come piece by piece. */
export interface Hash {
  /** `bytes` stay as they are until `digest`. */
  update(bytes: Uint8Array): void
  /** 64 hexadecimal digits; once. */
  digest(): Promise<string>
}

/** Bytes to upload; read again after a failure, in any order. */
export interface UploadSource {
  readonly size: number
  /** Of the file; empty: it has none. */
  readonly name: string
  /** Media type as the platform knows it; empty: it does not. */
  readonly type: string
  /** From `start` up to, not including, `end`. Rejects with a ClientError: file-failed, file-changed. */
  read(start: number, end: number): Promise<Uint8Array | Blob>
  /** SHA-256 of the whole, 64 hexadecimal digits. Rejects as `read`, or with the signal's reason. */
  hash(signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

/** Where a download goes. What is in it counts for nothing before `finish`. */
export interface DownloadTarget {
  /** Bytes that it holds from an earlier attempt, also of an earlier process. */
  readonly held: number
  /** Hashes what is held. */
  rehash(hash: Hash): Promise<void>
  /** Appends; `bytes` are the target's from then on. Rejects with a ClientError: file-failed. */
  write(bytes: Uint8Array): Promise<void>
  /** Forgets what it holds. */
  restart(): Promise<void>
  /** Everything is there and checked: makes it final, durably. Rejects with a ClientError: file-failed, file-exists. */
  finish(): Promise<void>
  /** Nothing more will come; what it holds stays for another attempt. Harmless after `finish`. */
  close(): Promise<void>
}

export interface FileTargetOptions {
  readonly path: string
  /** Whether a file of that name is replaced. */
  readonly replaces: boolean
  /** SHA-256 of what will be in it: only what was held of the same is gone on with. */
  readonly hash: string
}

export interface BlobPlatform {
  /** `ca`: as in TransportOptions; a browser has its own. */
  readonly http: (ca: string | Uint8Array | readonly (string | Uint8Array)[] | undefined) => SendHttp
  readonly newHash: () => Hash
  /** null: there are no paths here. Rejects with a ClientError: file-failed. */
  readonly openSource: ((path: string) => Promise<UploadSource>) | null
  readonly openTarget: ((options: FileTargetOptions) => Promise<DownloadTarget>) | null
}
