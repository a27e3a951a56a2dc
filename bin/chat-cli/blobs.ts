/** `chat blobs`: how much room one's files take. */
import type { BlobUsage } from '../../protocol/client/node.js'
import { ask } from './ask.js'
import { bytesText } from './attachment-text.js'
import type { ExitCode } from './failure.js'
import type { BlobsCommand } from './file-arguments.js'
import { safeJson } from './safe-text.js'
import { uploadFailure } from './upload-files.js'
import type { World } from './world.js'

/** Rejects with a ChatFailure. */
export async function blobs(command: BlobsCommand, world: World): Promise<ExitCode> {
  return ask(command, world, async (client, output) => {
    const usage = await client.blobUsage().catch((error: unknown) => { throw uploadFailure(error, null) })
    await output.line(command.json ? safeJson(usage) : usageText(usage))
  })
}

/** `46 MiB of 5 GiB; one file may have 16 MiB` */
function usageText({ used, quota, blobBytesMax }: BlobUsage): string {
  return `${bytesText(used)}${quota === null ? '' : ` of ${bytesText(quota)}`}; one file may have ${bytesText(blobBytesMax)}`
}
