/** Runs the proof of partitions in a network of its own, or with proxies where the kernel allows none. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Findings } from './checker.js'
import { HeldNetwork } from './held-network.js'
import { apart } from './namespaces.js'
import { type PartitionOptions, partitionProof } from './partition.js'
import type { PartitionReport } from './partition-program.js'
import type { Scope } from './scope.js'

const PROGRAM = fileURLToPath(new URL('./partition-program.js', import.meta.url))

export async function partitions(scope: Scope, options: PartitionOptions): Promise<Findings> {
  const command = apart()
  if (typeof command !== 'string') return partitionsApart(scope, command, options)
  scope.note(`${command}: proxies hold up what is cut, and nothing is lost on the way`)
  return partitionProof(scope, new HeldNetwork(scope), options)
}

/** `command`: of `apart`. */
export async function partitionsApart(scope: Scope, command: readonly string[], options: PartitionOptions): Promise<Findings> {
  const [program, ...args] = [...command, process.execPath, PROGRAM, JSON.stringify(options)]
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  scope.after(() => { child.kill('SIGKILL') })
  let findings: Findings | null = null
  let failure = 'it ended without a word'
  child.on('message', (report: PartitionReport) => {
    if ('note' in report) scope.note(report.note)
    else if ('failure' in report) failure = report.failure
    else findings = report.findings
  })
  await once(child, 'exit')
  if (findings === null) throw new Error(failure)
  return findings
}
