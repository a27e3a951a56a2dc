/** `chatd split`: a data directory as one with another number of shards. */
import { splitDirectory, type SplitDirectory } from '../../server/split/split-directory.js'
import { Refusal } from '../../server/split/refusal.js'
import type { SplitProgress } from '../../server/split/split-data.js'
import { type Log, SILENT_LOG } from '../../server/log.js'
import { CommandFailure, EXIT } from './failure.js'

export interface SplitCommand {
  readonly directory: string
  readonly shards: number
  readonly to: string
  readonly json: boolean
}

/** So that who waits for minutes sees that it goes on. */
const TELL_MS = 5000

export async function split({ directory, shards, to, json }: SplitCommand): Promise<void> {
  const done = await splitDirectory(directory, shards, to, { onProgress: progress(), log: troubles() }).catch((error: unknown) => {
    if (error instanceof Refusal) throw new CommandFailure(EXIT.failed, `${directory} can't be split: ${error.message}`)
    throw error
  })
  process.stdout.write(json ? `${JSON.stringify(jsonOf(shards, done))}\n` : textOf(directory, shards, to, done))
}

function textOf(directory: string, shards: number, to: string, { settled, rows, files }: SplitDirectory): string {
  const lines = [...rows].map(([kind, count]) => `${kind}: ${String(count)}`)
  if (files !== null) lines.push(`files: ${files.isLink ? 'where they were' : `${String(files.linked)} linked, ${String(files.copied)} copied`}`)
  if (settled > 0) lines.push(`taken first, from shard to shard: ${String(settled)}`)
  return [...lines, `${to} has all ${String(sumOf(rows))} rows of ${directory}, in ${shards === 1 ? 'one shard' : `${String(shards)} shards`}`, ''].join('\n')
}

function jsonOf(shards: number, { settled, rows, files }: SplitDirectory): unknown {
  return { shards, total: sumOf(rows), rows: Object.fromEntries(rows), files, settled }
}

function sumOf(rows: ReadonlyMap<string, number>): number {
  return [...rows.values()].reduce((sum, count) => sum + count, 0)
}

function progress(): SplitProgress {
  let toldMs = performance.now()
  return (step, rows) => {
    if (performance.now() - toldMs < TELL_MS) return
    toldMs = performance.now()
    process.stderr.write(`chatd: ${String(rows)} rows ${step}\n`)
  }
}

/** Of entries that make no sense, as the server would log them. */
function troubles(): Log {
  const tell: Log['error'] = ({ err }, event) => { process.stderr.write(`chatd: ${event}${err instanceof Error ? ` (${err.message})` : ''}\n`) }
  return { ...SILENT_LOG, warn: tell, error: tell }
}
