/** `chat fetch`: files of a message, saved under names that replace nothing, or where one is wanted. */
import { lstat, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Attachment, BlobReference, Client, DownloadedBlob, Rendition } from '../../protocol/client/node.js'
import { ClientError } from '../../protocol/client/node.js'
import { ask } from './ask.js'
import { bytesText, freeNames, nameToSave } from './attachment-text.js'
import type { Ending } from './ending.js'
import { ChatFailure, EXIT } from './failure.js'
import type { ExitCode } from './failure.js'
import type { FetchCommand } from './file-arguments.js'
import type { LineOutput } from './line-output.js'
import { safeJson, safeText } from './safe-text.js'
import { Progress } from './upload-progress.js'
import type { World } from './world.js'
import { complain } from './world.js'

/** Rejects with a ChatFailure. */
export async function fetchFiles(command: FetchCommand, world: World): Promise<ExitCode> {
  return ask(command, world, async (client, output, ending) => {
    const { conversation, seq, number, out } = command
    const attachments = await attachmentsOf(client, conversation, seq)
    const chosen = chosenOf(attachments, number, seq)
    if (out !== null && chosen.length > 1 && !await isFolder(out)) throw new ChatFailure(EXIT.usage, `the message carries ${attachments.length} files: say which, as in \`chat fetch ${safeText(conversation)} ${seq} 1\``)
    const saver = new Saver({ ...command, client, output, ending, world })
    for (const [attachment, position] of chosen) {
      if (command.thumbnail && !attachment.thumbnail) throw new ChatFailure(EXIT.failed, `there is no thumbnail of file ${position}`)
      if (attachment.key.length > 0) complain(world, `file ${position} is encrypted by the program that sent it: what is saved can't be read without its key`)
      const fields = { conversation, seq, attachment: position, id: attachment.id }
      const suggested = command.thumbnail ? { name: `${attachment.name === '' ? 'file' : attachment.name}.thumbnail.webp`, type: 'image/webp' } : attachment
      await saver.save({ with: conversation, seq, attachment }, command.thumbnail ? 'thumbnail' : 'original', nameToSave(suggested, `file-${seq}-${position}`), fields)
    }
  })
}

/** The files of a message. Rejects with a ChatFailure where it has none. */
async function attachmentsOf(client: Client, conversation: string, seq: number): Promise<readonly Attachment[]> {
  const { messages } = await client.history(conversation, { after: seq - 1, limit: 1 })
  const message = messages.find((each) => each.seq === seq)
  if (message === undefined) throw new ChatFailure(EXIT.failed, `there is no message ${seq} in the conversation with ${safeText(conversation)}`)
  if (message.attachments.length === 0) throw new ChatFailure(EXIT.failed, `message ${seq} carries no file${message.isIncomplete ? ' that this version knows' : ''}`)
  return message.attachments
}

function chosenOf(attachments: readonly Attachment[], number: number | null, seq: number): (readonly [Attachment, number])[] {
  const all = attachments.map((attachment, at) => [attachment, at + 1] as const)
  if (number === null) return all
  const chosen = all.filter(([, position]) => position === number)
  if (chosen.length === 0) throw new ChatFailure(EXIT.failed, `message ${seq} carries ${all.length === 1 ? 'one file' : `${all.length} files`}, and no number ${number}`)
  return chosen
}

export interface SaveOptions {
  readonly client: Client
  readonly output: LineOutput
  readonly world: World
  /** A path, a folder, or `-` for stdout; null: a free name in this folder. */
  readonly out: string | null
  readonly ending: Ending
  readonly timeoutMs: number | null
  readonly json: boolean
}

/** Downloads to where it is wanted, and tells where that is. */
export class Saver {
  readonly #options: SaveOptions
  readonly #progress: Progress

  constructor(options: SaveOptions) {
    const { world, json, output, out } = options
    this.#options = options
    this.#progress = new Progress({ kind: 'download', world, output: json && out !== '-' ? output : null, nowMs: () => performance.now() })
  }

  /** `fields`: what the line for scripts says first. Rejects with a ChatFailure, or the ClientError of the server. */
  async save(reference: BlobReference, rendition: Rendition, name: string, fields: object): Promise<void> {
    const { out, output, json } = this.#options
    this.#progress.begin(name)
    try {
      if (out === '-') {
        const { bytes } = await this.#download(reference, rendition, null, true)
        this.#progress.clear()
        await output.bytes(bytes)
        return
      }
      const { path, got } = await this.#toFile(reference, rendition, name)
      this.#progress.clear()
      const { type, size, hash } = got
      await output.line(json ? safeJson({ ...fields, type, size, hash, file: path }) : `saved ${safeText(path)}, ${bytesText(size)}`)
    } finally {
      this.#progress.clear()
    }
  }

  async #toFile(reference: BlobReference, rendition: Rendition, name: string): Promise<{ path: string; got: DownloadedBlob }> {
    const { out } = this.#options
    if (out !== null && !await isFolder(out)) return { path: out, got: await this.#download(reference, rendition, out, true) }
    return saveUnderFreeName(out ?? '', name, (path) => this.#download(reference, rendition, path, false))
  }

  async #download(reference: BlobReference, rendition: Rendition, path: string | null, replaces: boolean): Promise<DownloadedBlob> {
    const { client, ending, timeoutMs, world } = this.#options
    let isTold = false
    return client.download(reference, {
      rendition,
      ...path === null ? {} : { path, replaces },
      onProgress: ({ sent, total }) => {
        isTold = false
        this.#progress.show(sent, total)
        ending.startTimeout(timeoutMs)
      },
      onWait: (error) => {
        if (isTold) return
        isTold = true
        this.#progress.clear()
        complain(world, `the download waits, and goes on by itself: ${safeText(error.message)}`)
      },
    }).catch((error: unknown) => { throw downloadFailure(error) })
  }
}

/** Also a link to one. */
async function isFolder(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), () => false)
}

/**
 * Downloads to a name that nothing has, in `folder`; '': the present one. `download` rejects with file-exists where it was taken meanwhile,
 * and with file-locked where it is just being taken.
 */
export async function saveUnderFreeName(folder: string, name: string, download: (path: string) => Promise<DownloadedBlob>): Promise<{ path: string; got: DownloadedBlob }> {
  for (const free of freeNames(name)) {
    const path = folder === '' ? free : join(folder, free)
    // Also a link that leads nowhere is something.
    if (await lstat(path).then(() => true, () => false)) continue
    try {
      return { path, got: await download(path) }
    } catch (error) {
      if (!(error instanceof ClientError) || (error.symbol !== 'file-exists' && error.symbol !== 'file-locked')) throw error
    }
  }
  throw new TypeError('names have come to an end')
}

/** What a refusal means for the person at the terminal. */
export function downloadFailure(error: unknown): unknown {
  const symbol = error instanceof ClientError ? error.symbol : ''
  if (symbol === 'no-such-blob') return new ChatFailure(EXIT.failed, 'the file is not there any more', { cause: error })
  return symbol === 'damaged-blob' ? new ChatFailure(EXIT.failed, 'what the server sends is not the file that was sent: nothing was saved', { cause: error }) : error
}
