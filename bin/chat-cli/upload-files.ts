/** Files on their way to the server, for the commands that send one. */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Client, UploadedBlob } from '../../protocol/client/node.js'
import { ClientError } from '../../protocol/client/node.js'
import { bytesText } from './attachment-text.js'
import type { Ending } from './ending.js'
import { ChatFailure, EXIT } from './failure.js'
import { refusalText } from './refusal.js'
import { safeText } from './safe-text.js'
import type { Progress } from './upload-progress.js'

export interface FileToSend {
  readonly path: string
  readonly name: string
  readonly size: number
}

/** Looks at the files before anything is connected or sent. Rejects with a ChatFailure that says which one can't be sent, and why. */
export async function checkFiles(paths: readonly string[]): Promise<FileToSend[]> {
  return Promise.all(paths.map(async (path) => {
    const found = await stat(path).catch((error: unknown) => {
      throw new ChatFailure(EXIT.failed, `${safeText(path)} can't be sent: ${reasonOf(error)}`, { cause: error })
    })
    if (found.isDirectory()) throw new ChatFailure(EXIT.failed, `${safeText(path)} can't be sent: it is a folder`)
    if (!found.isFile()) throw new ChatFailure(EXIT.failed, `${safeText(path)} can't be sent: it is not a file`)
    if (found.size === 0) throw new ChatFailure(EXIT.failed, `${safeText(path)} can't be sent: it is empty`)
    return { path, name: basename(path), size: found.size }
  }))
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file'
  return code === 'EACCES' ? 'it may not be read' : safeText(message)
}

/** Refuses what the server would, before the first byte is sent or hashed. Rejects with a ChatFailure. */
export async function checkSizes(client: Client, files: readonly FileToSend[]): Promise<void> {
  const { blobBytesMax } = await client.blobUsage().catch((error: unknown) => { throw uploadFailure(error, null) })
  for (const file of files) {
    if (file.size > blobBytesMax) {
      throw new ChatFailure(EXIT.failed, `${safeText(file.path)} is too large: it has ${bytesText(file.size)}, and the server takes files of up to ${bytesText(blobBytesMax)}`)
    }
  }
}

export interface UploadPlan {
  readonly strip: boolean
  readonly picture: boolean
  readonly progress: Progress
  /** Its clock starts anew with every byte that arrives. */
  readonly ending: Ending
  readonly timeoutMs: number | null
  /** Told once for each time that an upload has to wait. */
  outage(message: string): void
}

/** Uploads the files one after the other. Rejects with a ChatFailure that says what was refused, or with `closed`. */
export async function uploadFiles(client: Client, files: readonly FileToSend[], plan: UploadPlan): Promise<UploadedBlob[]> {
  const { progress } = plan
  const uploaded: UploadedBlob[] = []
  try {
    for (const file of files) {
      progress.begin(file.name)
      let sentBefore = -1
      let isTold = false
      uploaded.push(await client.upload({ path: file.path }, {
        strip: plan.strip,
        picture: plan.picture,
        onProgress: ({ sent, total }) => {
          progress.show(sent, total)
          if (sent <= sentBefore) return
          sentBefore = sent
          isTold = false
          plan.ending.startTimeout(plan.timeoutMs)
        },
        onWait: (error) => {
          if (isTold) return
          isTold = true
          progress.clear()
          plan.outage(`the upload of ${safeText(file.name)} waits, and goes on by itself: ${safeText(error.message)}`)
        },
      }).catch((error: unknown) => { throw uploadFailure(error, file) }))
    }
    return uploaded
  } finally {
    progress.clear()
  }
}

/** What a refusal means for the person at the terminal; null: of no file in particular. */
export function uploadFailure(error: unknown, file: FileToSend | null): unknown {
  if (!(error instanceof ClientError) || error.symbol === 'closed' || error.symbol === 'stopped') return error
  return new ChatFailure(EXIT.failed, uploadRefusal(error, file === null ? '' : safeText(file.path)), { cause: error })
}

/** One sentence; `name`, and to whom it was to go, may be empty. */
export function uploadRefusal(error: unknown, name: string, to = ''): string {
  const what = name === '' ? 'it' : name
  switch (error instanceof ClientError ? error.symbol : '') {
    case 'no-blobs': case 'unsupported-query': return 'this server does not take files'
    case 'blob-too-large': return `${what} is larger than the server takes`
    case 'type-not-allowed': return `the server does not take ${what}: ${safeText((error as ClientError).message)}`
    case 'quota-exceeded': return `there is no room for ${what} within your quota: \`chat blobs\` shows it; deleting messages with files makes room`
    case 'storage-full': return `the server has no room for ${what} at present: try again later`
    case 'resource-limit': return 'too many of your uploads are under way: try again later'
    case 'no-such-blob': return `${what} lay at the server for too long and was dropped there: send it again`
    case 'file-changed': return `${what} was changed while it was sent: send it again`
    default: return refusalText(error, to)
  }
}
