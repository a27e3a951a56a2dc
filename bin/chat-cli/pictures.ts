/** Pictures of profiles and groups: files that are uploaded as such, and set by their id. */
import type { BlobReference, Client } from '../../protocol/client/node.js'
import type { Ending } from './ending.js'
import { ChatFailure, EXIT } from './failure.js'
import { Saver } from './fetch.js'
import { ClientError } from '../../protocol/client/node.js'
import type { LineOutput } from './line-output.js'
import { safeText } from './safe-text.js'
import { checkFiles, checkSizes, uploadFiles } from './upload-files.js'
import { Progress } from './upload-progress.js'
import type { World } from './world.js'
import { complain } from './world.js'

/** The command around it. */
export interface PictureCommand {
  readonly world: World
  readonly ending: Ending
  readonly output: LineOutput
  readonly timeoutMs: number | null
  readonly json: boolean
}

/** Where a picture is saved, and how large. */
export interface PictureWish {
  /** As in SaveOptions. */
  readonly out: string | null
  readonly isSmall: boolean
}

/** What names the picture in a profile or a group; '' for the path '': none. Rejects with a ChatFailure. */
export async function uploadPicture(client: Client, path: string, { world, ending, output, timeoutMs, json }: PictureCommand): Promise<string> {
  if (path === '') return ''
  const files = await checkFiles([path])
  await checkSizes(client, files)
  const progress = new Progress({ kind: 'upload', world, output: json ? output : null, nowMs: () => performance.now() })
  const [blob] = await uploadFiles(client, files, { strip: false, picture: true, progress, ending, timeoutMs, outage: (message) => complain(world, message) })
  if (blob?.picture !== true) throw new ChatFailure(EXIT.failed, `${safeText(path)} is no picture that the server can show`)
  return blob.id
}

/** Saves the picture of a user or a group. Rejects with a ChatFailure. */
export async function savePicture(client: Client, reference: BlobReference & ({ readonly user: string } | { readonly group: string }), wish: PictureWish, command: PictureCommand): Promise<void> {
  const saver = new Saver({ ...command, client, out: wish.out })
  const of = 'user' in reference ? reference.user : reference.group
  try {
    await saver.save(reference, wish.isSmall ? 'square-96' : 'square-640', `${of.replace(/^#/, '')}.webp`, reference)
  } catch (error) {
    const cause = error instanceof Error ? error.cause : error
    if (cause instanceof ClientError && cause.symbol === 'no-such-blob') throw new ChatFailure(EXIT.failed, `${safeText(of)} shows no picture`, { cause })
    throw error
  }
}
