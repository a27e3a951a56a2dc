/** What the interactive program does with files, beside its state: looks for them, sends and saves them. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Attachment, Client } from '../../protocol/client/node.js'
import { nameToSave } from './attachment-text.js'
import { ChatFailure, EXIT } from './failure.js'
import { saveUnderFreeName } from './fetch.js'
import { safeText } from './safe-text.js'
import type { UploadState } from './screen-files.js'
import { checkFiles, checkSizes } from './upload-files.js'

/** The screen is told of progress no more often than this. */
const PROGRESS_MS = 100

/** `~/beach.jpg` as a path. */
export function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(2)) : path
}

/** Paths that begin with `path`, as it was typed; those of folders end with a slash. Empty where there are none, or the folder can't be read. */
export async function listPaths(path: string, home: string): Promise<string[]> {
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  const beginning = path.slice(folder.length)
  const entries = await readdir(folder === '' ? '.' : expandHome(folder, home), { withFileTypes: true }).catch(() => [])
  return entries
    // What is hidden is meant only by who begins with its dot.
    .filter(({ name }) => name.startsWith(beginning) && (beginning !== '' || !name.startsWith('.')))
    .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
    .sort()
}

/** Uploads a file. Rejects with a ChatFailure or a ClientError. */
export async function uploadShown(client: Client, path: string, tell: (upload: UploadState) => void): Promise<Attachment[]> {
  const files = await checkFiles([path])
  await checkSizes(client, files)
  const [{ name } = { name: '' }] = files
  let toldMs = -Infinity
  return [await client.upload({ path }, {
    onProgress: ({ sent, total }) => {
      const nowMs = performance.now()
      if (nowMs - toldMs < PROGRESS_MS && sent < total) return
      toldMs = nowMs
      tell({ name, sent, total })
    },
  })]
}

/** Uploads the picture of a group; resolves with its id, '' for the path ''. */
export async function uploadShownPicture(client: Client, path: string): Promise<string> {
  if (path === '') return ''
  const files = await checkFiles([path])
  await checkSizes(client, files)
  const { id, picture } = await client.upload({ path }, { picture: true })
  if (!picture) throw new ChatFailure(EXIT.failed, `${safeText(path)} is no picture that the server can show`)
  return id
}

/** Saves the files of a message under names that nothing has; resolves with the paths. Rejects with a ClientError. */
export async function saveShown(client: Client, { conversation, seq, attachments, folder }: {
  readonly conversation: string; readonly seq: number; readonly attachments: readonly Attachment[]; readonly folder: string
}): Promise<string[]> {
  const paths: string[] = []
  for (const [at, attachment] of attachments.entries()) {
    const name = nameToSave(attachment, `file-${seq}-${at + 1}`)
    const { path } = await saveUnderFreeName(folder, name, (free) => client.download({ with: conversation, seq, attachment }, { path: free, replaces: false }))
    paths.push(path)
  }
  return paths
}
