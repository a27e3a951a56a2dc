/** The proof of partitions in a network of its own: started by `apart`, it tells over IPC what happens, and ends with whoever started it. */
import type { Findings } from './checker.js'
import { Namespaces } from './namespaces.js'
import { NODE_NAMES, type PartitionOptions, partitionProof } from './partition.js'
import { withScope } from './scope.js'
import { seeded } from '../testing/seeded-random.js'

export type PartitionReport = { readonly note: string } | { readonly failure: string } | { readonly findings: Findings }

async function run(options: PartitionOptions): Promise<void> {
  const tell = (report: PartitionReport): void => { process.send?.(report) }
  // Whatever runs here ends with the first process.
  process.on('disconnect', () => { process.exit(1) })
  try {
    const findings = await withScope((note) => { tell({ note }) }, async (scope) =>
      partitionProof(scope, await Namespaces.make(scope, NODE_NAMES, seeded(options.seed + 1)), options))
    tell({ findings })
  } catch (error) {
    tell({ failure: error instanceof Error ? error.stack ?? error.message : String(error) })
  }
  process.disconnect()
}

if (process.argv[2] !== undefined && process.argv[1]?.endsWith('partition-program.js') === true) void run(JSON.parse(process.argv[2]) as PartitionOptions)
