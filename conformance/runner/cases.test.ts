/** The cases are data: held here against their schema, the registry and themselves. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { registry } from '../spec/registry.js'
import type { Case, Step } from './case.js'
import { frameEntryOf, readXml } from './frame-xml.js'
import { caseFileNames, casesFolder, features, loadCases } from './load.js'
import { uncovered } from './uncovered.js'

const cases = loadCases()
const ajv = new Ajv({ strict: false, allErrors: true })

function read(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'))
}

test('every file of cases keeps to the schema, and a file that does not is found', () => {
  const check = ajv.compile(read(join(casesFolder, 'schema.json')) as object)
  for (const file of caseFileNames()) assert.ok(check(read(join(casesFolder, file))), `${file}: ${ajv.errorsText(check.errors)}`)
  const planted = { about: 'a planted file', cases: [{ id: 'a', title: 'A case that is wrong', requirements: ['FRM-1'], steps: [{}] }] }
  for (const step of [{}, { sned: '<ping/>' }, { send: '<ping/>', raw: '00' }, { close: 'slam' }, { raw: 'xy' }]) {
    planted.cases[0]!.steps = [step]
    assert.equal(check(planted), false, JSON.stringify(step))
  }
})

function* framesOf(steps: readonly Step[]): Generator<readonly [string, 'client' | 'server']> {
  for (const step of steps) {
    for (const xml of [step.expect ?? []].flat()) yield [xml, 'client']
    for (const xml of [step.send, step.duplicate, step.reorder, step.drop, step.cut].flat()) if (xml !== undefined) yield [xml, 'server']
    yield* framesOf(step.steps ?? [])
  }
}

test('every frame of a case is one of the registry', () => {
  let count = 0
  for (const { id, steps } of cases) {
    for (const [xml, side] of framesOf(steps)) {
      count++
      assert.doesNotThrow(() => frameEntryOf(readXml(xml), side), `${id}: ${xml}`)
    }
  }
  assert.ok(count > 500)
})

test('every feature that a case needs is known', () => {
  const known = new Set(features.map(({ name }) => name))
  for (const { id, features: needed } of cases) for (const feature of needed) assert.ok(known.has(feature), `${id}: ${feature}`)
})

test('there are at least 400 cases for clients, and 40 % of all are negative', () => {
  assert.ok(cases.filter(({ mode }) => mode === 'client').length >= 400)
  assert.ok(cases.filter(({ negative }) => negative).length >= 0.4 * cases.length)
})

/** What is wrong with how requirements and cases fit. */
function coverageFaults(all: readonly Case[], reasons: Readonly<Record<string, string>>): string[] {
  const shown = new Set(all.flatMap(({ requirements }) => requirements))
  const known = new Set(registry.requirements.map(({ id }) => id))
  return [
    ...registry.requirements.filter(({ id, level }) => level === 'MUST' && !shown.has(id) && reasons[id] === undefined).map(({ id }) => `${id} has neither a case nor a reason`),
    ...Object.keys(reasons).filter((id) => shown.has(id)).map((id) => `${id} has a case, and a reason for none`),
    ...Object.keys(reasons).filter((id) => !known.has(id)).map((id) => `${id} is no requirement`),
  ]
}

test('every MUST has a case or a stated reason', () => {
  assert.deepEqual(coverageFaults(cases, uncovered), [])
  const [first] = cases
  assert.ok(coverageFaults([first!], {}).includes('FRM-14 has neither a case nor a reason'))
  assert.deepEqual(coverageFaults(cases, { ...uncovered, 'FRM-1': 'none' }), ['FRM-1 has a case, and a reason for none'])
})
