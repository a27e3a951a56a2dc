/** The cases are data: held here against their schema, the registry and themselves. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { registry } from '../spec/registry.js'
import type { Case, CaseFile, Mode, Step } from './case.js'
import { frameEntryOf, readXml } from './frame-xml.js'
import { caseFileNames, casesFolder, features, loadCases, serverFeatures } from './load.js'
import { uncovered } from './uncovered.js'

const cases = loadCases()
const ajv = new Ajv({ strict: false, allErrors: true })

function read(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'))
}

test('every file of cases keeps to the schema of its mode, and a file that does not is found', () => {
  const check = ajv.compile(read(join(casesFolder, 'schema.json')) as object)
  const checkServer = ajv.compile(read(join(casesFolder, 'server-schema.json')) as object)
  for (const file of caseFileNames()) {
    const checkFile = (read(join(casesFolder, file)) as CaseFile).mode === 'server' ? checkServer : check
    assert.ok(checkFile(read(join(casesFolder, file))), `${file}: ${ajv.errorsText(checkFile.errors)}`)
  }
  const planted = { about: 'a planted file', cases: [{ id: 'a', title: 'A case that is wrong', requirements: ['FRM-1'], steps: [{}] }] }
  for (const step of [{}, { sned: '<ping/>' }, { send: '<ping/>', raw: '00' }, { close: 'slam' }, { raw: 'xy' }]) {
    planted.cases[0]!.steps = [step]
    assert.equal(check(planted), false, JSON.stringify(step))
    assert.equal(checkServer({ ...planted, mode: 'server' }), false, JSON.stringify(step))
  }
})

/** With the side that sends them. */
function* framesOf(steps: readonly Step[], mode: Mode): Generator<readonly [string, Mode]> {
  const peer = mode === 'client' ? 'server' : 'client'
  for (const step of steps) {
    const { expectAll, some, never, of } = step as { readonly expectAll?: readonly string[]; readonly some?: string; readonly never?: string; readonly of?: string }
    for (const xml of [step.expect, expectAll, some, never, of].flat()) if (xml !== undefined) yield [xml, mode]
    for (const xml of [step.send, step.duplicate, step.reorder, step.drop, step.cut].flat()) if (xml !== undefined) yield [xml, peer]
    yield* framesOf(step.steps ?? [], mode)
  }
}

test('every frame of a case is one of the registry', () => {
  let count = 0
  for (const { id, steps, mode } of cases) {
    for (const [xml, side] of framesOf(steps, mode)) {
      count++
      assert.doesNotThrow(() => frameEntryOf(readXml(xml), side), `${id}: ${xml}`)
    }
  }
  assert.ok(count > 500)
})

test('every feature that a case needs is known', () => {
  const known = { client: new Set(features.map(({ name }) => name)), server: new Set(serverFeatures.map(({ name }) => name)) }
  for (const { id, mode, features: needed } of cases) for (const feature of needed) assert.ok(known[mode].has(feature), `${id}: ${feature}`)
})

test('there are at least 400 cases for clients, 150 for servers, and 40 % of either are negative', () => {
  for (const [mode, least] of [['client', 400], ['server', 150]] as const) {
    const own = cases.filter((one) => one.mode === mode)
    assert.ok(own.length >= least)
    assert.ok(own.filter(({ negative }) => negative).length >= 0.4 * own.length)
  }
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
