/** The core through thousands of seeded interleavings, with crashes between any two steps; and the proof that the checks can fail. */
import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ClientCore } from './core.js'
import { Simulation } from './testing/simulation.js'
import type { CoreClass, SimulationOptions } from './testing/simulation.js'

const SEEDS = 100
const MUTANT_SEEDS = 40
const KINDS: readonly (SimulationOptions & { readonly name: string })[] = [
  { name: 'one device', steps: 400, echoes: false, refusals: false, tooOld: false },
  { name: 'two devices', steps: 400, echoes: true, refusals: false, tooOld: false },
  { name: 'refusals', steps: 400, echoes: true, refusals: true, tooOld: false },
  { name: 'too old', steps: 400, echoes: true, refusals: false, tooOld: true },
]

/** The first seed that breaks a promise, and how; null if none does. */
function findBreach(Core: CoreClass, options: SimulationOptions, seeds: number): string | null {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      new Simulation(Core, seed, options).run()
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.stack ?? error.message : String(error)}`
    }
  }
  return null
}

for (const kind of KINDS) {
  test(`[MSG-12] [MSG-13] [MSG-20] [QUE-3] [QUE-4] [OPN-9] [OPN-11] [RCP-9] [RCN-1] nothing is lost, doubled or out of order through crashes: ${kind.name}`, () => {
    assert.equal(findBreach(ClientCore, kind, SEEDS), null)
  })
}

/** Faults planted into the compiled code: each must be found. */
interface Edit {
  readonly file: string
  readonly from: string
  readonly to: string
}
const MUTANTS: readonly (Edit & { readonly name: string; readonly also?: readonly Edit[] })[] = [
  { name: 'acknowledges before it is stored', file: 'inbox.js', from: 'Math.min(this.#stored, this.#sentTo)', to: 'Math.min(this.#handled, this.#sentTo)' },
  {
    name: 'applies duplicates', file: 'inbox.js', from: 'if (index <= this.#received)', to: 'if (false)',
    // Two layers guard against them: the index, and the seq.
    also: [
      { file: 'inbox.js', from: 'index !== this.#received + 1', to: 'false' },
      { file: 'conversations.js', from: 'seq > known.shown && ', to: '' },
    ],
  },
  { name: 'acknowledges what this connection has not sent', file: 'inbox.js', from: 'Math.min(this.#stored, this.#sentTo)', to: 'this.#stored' },
  { name: 'forgets the outbox in a crash', file: 'outbox.js', from: '...state.outbox.values()', to: '...[]' },
  { name: 'sends again under new ids', file: 'outbox.js', from: 'this.#ready.reset([...this.#flying.values(), ', to: 'for (const entry of this.#flying.values()) { entry.clientId = this.#nextClientId++; this.#changes.push({ kind: \'outboxPut\', record: entry.toRecord() }); }\n        this.#ready.reset([...this.#flying.values(), ' },
  { name: 'forgets what was in flight', file: 'outbox.js', from: '[...this.#flying.values(), ...this.#ready.toArray()]', to: '[...this.#ready.toArray()]' },
  { name: 'sends before it is stored', file: 'outbox.js', from: 'this.#staged.push(entry);\n        return entry;', to: 'this.#ready.push(entry);\n        return entry;' },
  { name: 'lets later ones overtake what was refused', file: 'outbox.js', from: 'held === undefined || held.current === entry', to: 'true' },
  { name: 'sends again in the order of the refusals', file: 'outbox.js', from: 'held.entries[place - 1].handle > entry.handle', to: 'false' },
  { name: 'uses a token before it is stored', file: 'opening.js', from: 'this.#newToken = frame.token.slice();', to: 'this.#token = this.#newToken = frame.token.slice();' },
  { name: 'tells own messages as those of others', file: 'conversations.js', from: 'known.own = addSeq(known.own, seq)', to: 'known.own = known.own' },
  { name: 'tells a send before that is stored', file: 'asking.js', from: "this.#answers.push({ kind: 'sent', ack });", to: "this.#host.event({ kind: 'sent', ack });" },
  { name: 'lets a watermark fall', file: 'conversations.js', from: 'if (seq <= before)', to: 'if (false)' },
  { name: 'waits without jitter', file: 'core.js', from: 'this.#options.random()', to: '0.999' },
  { name: 'counts attempts from the connection, not from welcome', file: 'core.js', from: 'this.#opening.begin(canBind);', to: 'this.#reconnect.opened(nowMs); this.#opening.begin(canBind);' },
  { name: 'sends more than is allowed', file: 'asking.js', from: 'this.#outbox.flyingCount < unacknowledgedMax', to: 'true' },
]

test('the simulation finds every planted fault', async (t) => {
  const built = fileURLToPath(new URL('..', import.meta.url))
  const folder = await mkdtemp(join(tmpdir(), 'chatd-mutants-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  for (const [number, mutant] of MUTANTS.entries()) {
    const copy = join(folder, `protocol${number}`)
    await cp(built, copy, { recursive: true, filter: (source) => !source.endsWith('.map') && !source.endsWith('.d.ts') })
    for (const edit of [mutant, ...mutant.also ?? []]) {
      const path = join(copy, 'client', edit.file)
      const code = await readFile(path, 'utf8')
      assert.ok(code.includes(edit.from), `the place for "${mutant.name}" is gone: adapt the mutant`)
      await writeFile(path, code.replaceAll(edit.from, edit.to))
    }
    const core = await import(pathToFileURL(join(copy, 'client', 'core.js')).href) as { readonly ClientCore: CoreClass }
    const isFound = KINDS.some((kind) => findBreach(core.ClientCore, kind, MUTANT_SEEDS) !== null)
    assert.ok(isFound, `not found: ${mutant.name}`)
  }
})
