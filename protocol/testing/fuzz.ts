/** `node dist/protocol/testing/fuzz.js [COUNT] [SEED]`: as many damaged frames as you have patience for. */
import { runMutations } from './mutations.js'

const count = Number(process.argv[2] ?? 1_000_000)
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31)
const counts = runMutations(count, seed)
process.stdout.write(`seed ${seed}: ${counts.frames} decoded, ${counts.errors} refused, ${counts.incomplete} incomplete\n`)
