/** The adapter of a client with a planted bug: `node dist/conformance/mutants/main.js NAME`; without a name it lists them. */
import { serve } from '../adapters/reference.js'
import { mutants, partsOf } from './mutants.js'

const mutant = mutants.find(({ name }) => name === process.argv[2])
if (mutant === undefined) {
  process.stdout.write(mutants.map(({ name, bug }) => `${name.padEnd(26)} ${bug}\n`).join(''))
  process.exitCode = process.argv[2] === undefined ? 0 : 2
} else {
  serve(partsOf(mutant))
}
