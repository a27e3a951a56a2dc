/**
 * The proofs as commands, for longer than a test may take:
 *
 *     node dist/server/proof/main.js NAME [--rounds N] [--clients N] [--seed N] [--shards N]
 *
 * The last line says what was proven; exit code 1 and the breaches otherwise.
 */
import { parseArgs } from 'node:util'
import { abuse } from './abuse.js'
import { abuseLatency } from './abuse-latency.js'
import { collectBlobs } from './collect-blobs.js'
import { CLUSTER_BLOWS, clusterProof } from './cluster.js'
import { clockJumps, clockJumpsTooFar } from './clock-jumps.js'
import { crowdProof } from './crowd.js'
import { halfOpen } from './half-open.js'
import { killClients } from './kill-clients.js'
import { killServer } from './kill-server.js'
import { killUploads } from './kill-uploads.js'
import { killWorkers } from './kill-workers.js'
import { partitions } from './partition-apart.js'
import { type Scope, withScope } from './scope.js'
import { commitErrors, diskFull, mountSmallDisk } from './store-faults.js'
import { uploadLatency } from './upload-latency.js'

interface Numbers {
  readonly rounds: number
  readonly clients: number
  readonly seed: number
  /** Of clusters, unless their network is parted, and of workers, where it is more than one. */
  readonly shards: number
}

interface Proof {
  readonly rounds: number
  readonly clients: number
  run(scope: Scope, numbers: Numbers): Promise<unknown>
}

const PROOFS: Readonly<Record<string, Proof>> = {
  'kill-server': { rounds: 20, clients: 50, run: killServer },
  'kill-clients': { rounds: 60, clients: 32, run: killClients },
  'kill-workers': { rounds: 20, clients: 50, run: (scope, { shards, ...numbers }) => killWorkers(scope, { ...numbers, shards: shards > 1 ? shards : 3 }) },
  'kill-uploads': { rounds: 20, clients: 16, run: killUploads },
  // Rounds are seconds.
  'collect-blobs': { rounds: 60, clients: 12, run: collectBlobs },
  'half-open': { rounds: 9, clients: 24, run: halfOpen },
  'commit-errors': { rounds: 30, clients: 24, run: commitErrors },
  'disk-full': {
    rounds: 10,
    clients: 24,
    run: async (scope, numbers) => {
      const directory = mountSmallDisk(scope)
      if (directory === null) throw new Error('this user may not mount a file system: run it as root')
      return diskFull(scope, directory, numbers)
    },
  },
  'abuse': { rounds: 10, clients: 24, run: abuse },
  // A measurement, which needs a machine with nothing else to do.
  'abuse-latency': { rounds: 3, clients: 20, run: abuseLatency },
  'upload-latency': { rounds: 3, clients: 20, run: uploadLatency },
  ...Object.fromEntries(CLUSTER_BLOWS.map((blow) => [`cluster-${blow}`, { rounds: 10, clients: 50, run: (scope: Scope, numbers: Numbers) => clusterProof(scope, [blow], numbers) }])),
  // All of them in turn.
  'cluster': { rounds: 21, clients: 50, run: (scope, numbers) => clusterProof(scope, CLUSTER_BLOWS, numbers) },
  // In network namespaces, which root may make, and others where the kernel lets them; else with proxies.
  'cluster-partition': { rounds: 22, clients: 48, run: (scope, numbers) => partitions(scope, { ...numbers, leaseMs: 3000 }) },
  // Rounds: with the crowd at the owner, at a standby, at all nodes.
  'cluster-crowd': { rounds: 3, clients: 10_000, run: crowdProof },
  'clock': {
    rounds: 18,
    clients: 24,
    run: async (scope, numbers) => {
      await clockJumpsTooFar(scope)
      return clockJumps(scope, numbers)
    },
  },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, clients: { type: 'string' }, seed: { type: 'string' }, shards: { type: 'string' } },
})
const proof = PROOFS[positionals[0] ?? '']
if (proof === undefined) {
  process.stderr.write(`usage: main.js NAME [--rounds N] [--clients N] [--seed N] [--shards N]\nNAME: ${Object.keys(PROOFS).join(', ')}\n`)
  process.exitCode = 2
} else {
  const number = (text: string | undefined, otherwise: number): number => text === undefined ? otherwise : Number(text)
  const numbers = {
    rounds: number(values.rounds, proof.rounds), clients: number(values.clients, proof.clients), seed: number(values.seed, Date.now() % 1_000_000),
    shards: number(values.shards, 1),
  }
  const beganMs = performance.now()
  const note = (line: string): void => { process.stdout.write(`${((performance.now() - beganMs) / 1000).toFixed(1).padStart(7)} s  ${line}\n`) }
  note(`${positionals[0] ?? ''}: ${numbers.rounds} rounds, ${numbers.clients} clients, seed ${numbers.seed}`)
  try {
    await withScope(note, (scope) => proof.run(scope, numbers))
  } catch (error) {
    process.stdout.write(`${error instanceof Error ? error.stack ?? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
