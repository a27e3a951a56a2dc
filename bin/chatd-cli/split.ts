/** `chatd split`: a data directory of one shard as one of several. */
import { splitDirectory } from '../../server/split/split-directory.js'
import { Refusal } from '../../server/split/row-home.js'
import { CommandFailure, EXIT } from './failure.js'

export interface SplitCommand {
  readonly directory: string
  readonly shards: number
  readonly to: string
}

export async function split({ directory, shards, to }: SplitCommand): Promise<void> {
  const { rows, files } = await splitDirectory(directory, shards, to).catch((error: unknown) => {
    if (error instanceof Refusal) throw new CommandFailure(EXIT.failed, `${directory} can't be split: ${error.message}`)
    throw error
  })
  const total = [...rows.values()].reduce((sum, count) => sum + count, 0)
  for (const [kind, count] of rows) process.stdout.write(`${kind}: ${String(count)}\n`)
  if (files !== null) process.stdout.write(`files: ${files.isLink ? 'where they were' : `${String(files.linked)} linked, ${String(files.copied)} copied`}\n`)
  process.stdout.write(`${to} has all ${String(total)} rows of ${directory}, in ${String(shards)} shards\n`)
}
