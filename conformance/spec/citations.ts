/** Which requirements tests name: in their titles as written, or through vectors whose tests take the title from `requirement`. */
import { readdirSync, readFileSync } from 'node:fs'
import { registry, rootFolder } from './registry.js'
import type { RequirementEntry } from './registry.js'

const folders = ['protocol', 'storage', 'server', 'conformance', 'bin']
const vectorFolder = 'conformance/vectors/'
/** `provoke` and `handle` are the two of `server/run/every-error.test.ts`. */
const title = /\b(?:test|it|describe|suite|provoke|handle)\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*)\1/g

export interface Source {
  readonly name: string
  readonly text: string
}

/** All test files of the project. */
export function testSources(): Source[] {
  return folders.flatMap((folder) => readdirSync(rootFolder + folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts')).map((name) => `${folder}/${name}`))
    .map((name) => ({ name, text: readFileSync(rootFolder + name, 'utf8') }))
}

/** Vector files that a test runs with the title `[${vector.requirement}] …`. */
export function vectorSources(): Source[] {
  return readdirSync(rootFolder + vectorFolder).filter((name) => name.endsWith('.json') && name !== 'schema.json')
    .map((name) => ({ name, text: readFileSync(rootFolder + vectorFolder + name, 'utf8') }))
}

/** Ids in the titles of these tests, and in these vectors. */
export function citedIds(tests: readonly Source[], vectors: readonly Source[]): Set<string> {
  const titles = tests.flatMap(({ text }) => [...text.matchAll(title)].map((match) => match[2] ?? ''))
  const ids = titles.flatMap((each) => each.match(/\b[A-Z]{3}-\d+\b/g) ?? [])
  const ofVectors = vectors.flatMap(({ text }) => [...text.matchAll(/"requirement":\s*"([A-Z]{3}-\d+)"/g)].map((match) => match[1] ?? ''))
  return new Set([...ids, ...ofVectors])
}

/** MUST requirements whose id is not among these. */
export function uncited(cited: ReadonlySet<string>): RequirementEntry[] {
  return registry.requirements.filter(({ id, level }) => level === 'MUST' && !cited.has(id))
}
