/** The suite is tested too: a client with a planted bug that passes the cases which name it has survived, and breaks this test. */
import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'
import { loadCases } from '../runner/load.js'
import { PipeAdapters } from '../runner/pipe-adapter.js'
import { runCases } from '../runner/run.js'
import { rootFolder } from '../spec/registry.js'
import { mutants } from './mutants.js'

const cases = loadCases()
/** They wait most of the time. */
const atATime = 3 * availableParallelism()

/** Verdicts of the cases that have to catch the mutant, or none where it survived. */
async function verdictsOf(name: string, ids: readonly string[]): Promise<string[]> {
  const selected = ids.map((id) => cases.find((one) => one.id === id) ?? assert.fail(`${name}: no case is called ${id}`))
  const command = [process.execPath, `${rootFolder}dist/conformance/mutants/main.js`, name]
  const results = await runCases(selected, { adapters: new PipeAdapters(command, rootFolder), seed: '1', slowness: 1, parallel: 1, onResult: () => {} })
  if (process.env['SHOW_MUTANTS'] !== undefined) for (const { failure } of results) console.log(`${name}: expected ${failure?.expected ?? ''}; came: ${failure?.came ?? ''}`)
  return results.map(({ verdict }) => verdict)
}

const survives = async ({ name, caughtBy }: (typeof mutants)[number]): Promise<boolean> =>
  (await verdictsOf(name, caughtBy)).some((verdict) => verdict !== 'FAIL' && verdict !== 'TIMEOUT')

test('every client with a planted bug is caught by the cases that name it', async () => {
  assert.ok(mutants.length >= 20)
  const suspects: typeof mutants[number][] = []
  const queue = [...mutants]
  const work = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) if (await survives(mutant)) suspects.push(mutant)
  }
  await Promise.all(Array.from({ length: atATime }, work))
  // A few of them differ from a good client only in when they do things, which a busy machine blurs. What no case can catch survives again.
  const survivors: string[] = []
  for (const mutant of suspects) if (await survives(mutant) && await survives(mutant)) survivors.push(mutant.name)
  assert.deepEqual(survivors, [])
})
