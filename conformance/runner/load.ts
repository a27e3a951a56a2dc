/** Reads the cases: files, tables, beginnings. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { registry, rootFolder } from '../spec/registry.js'
import type { Case, CaseFile, CaseSource, Mode, Step } from './case.js'
import { CaseFault } from './variables.js'

export const casesFolder = `${rootFolder}conformance/cases`

/** Steps by which many cases begin. */
export interface Beginning {
  readonly about: string
  readonly steps: readonly Step[]
}

/** What an adapter may be able to do. */
export interface Feature {
  readonly name: string
  /** An adapter without it fails the cases that need it. */
  readonly mandatory: boolean
  readonly about: string
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'))
}

export const beginnings = {
  client: readJson(join(casesFolder, 'beginnings.json')) as Readonly<Record<string, Beginning>>,
  server: readJson(join(casesFolder, 'server-beginnings.json')) as Readonly<Record<string, Beginning>>,
}
export const features = (readJson(join(casesFolder, 'features.json')) as { readonly features: readonly Feature[] }).features
/** What a server may offer. */
export const serverFeatures = (readJson(join(casesFolder, 'server-features.json')) as { readonly features: readonly Omit<Feature, 'mandatory'>[] }).features

/** `{{name}}` becomes the row's value; where it is all of a text, the value keeps its type. */
function fillRow(value: unknown, row: Readonly<Record<string, unknown>>): unknown {
  if (typeof value === 'string') {
    const whole = /^\{\{(\w+)\}\}$/.exec(value)?.[1]
    if (whole !== undefined && whole in row) return row[whole]
    return value.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
      const cell = row[name]
      if (typeof cell !== 'string' && typeof cell !== 'number') throw new CaseFault(`no row has a {{${name}}} to write`)
      return String(cell)
    })
  }
  if (Array.isArray(value)) return value.map((item) => fillRow(item, row))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [fillRow(key, row) as string, fillRow(inner, row)]))
}

/** The cases that one entry of a file stands for. */
function expand(source: CaseSource, file: string, mode: Mode): Case[] {
  const { table, ...rest } = source
  const rows = table ?? [null]
  return rows.map((row) => {
    const filled = row === null ? rest : fillRow(rest, row) as Omit<CaseSource, 'table'>
    const begin = filled.begin === undefined ? [] : beginnings[mode][filled.begin]?.steps
    if (begin === undefined) throw new CaseFault(`${source.id} begins with ${String(filled.begin)}, which is none`)
    const section = file.replace(/\.json$/, '')
    return {
      ...filled,
      id: `${section}/${filled.id}${row === null ? '' : `/${String(row['name'])}`}`,
      level: filled.level ?? 'MUST',
      negative: filled.negative ?? false,
      features: filled.features ?? [],
      transport: filled.transport ?? 'any',
      mode,
      file,
      steps: [...begin, ...filled.steps],
    }
  })
}

function* caseFiles(folder: string, below: string): Generator<string> {
  for (const entry of readdirSync(join(folder, below), { withFileTypes: true }).sort((one, other) => one.name < other.name ? -1 : 1)) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) yield* caseFiles(folder, path)
    else if (below !== '' && entry.name.endsWith('.json')) yield path
  }
}

/** The files of cases, below `cases/`. */
export function caseFileNames(): string[] {
  return [...caseFiles(casesFolder, '')]
}

/** All cases, in the order of their files. Throws a CaseFault for one that says what cannot be. */
export function loadCases(): Case[] {
  const known = new Set(registry.requirements.map(({ id }) => id))
  const cases = caseFileNames().flatMap((file) => {
    const { mode = 'client', cases: sources } = readJson(join(casesFolder, file)) as CaseFile
    return sources.flatMap((source) => expand(source, file, mode))
  })
  const ids = new Set<string>()
  for (const { id, requirements } of cases) {
    if (ids.has(id)) throw new CaseFault(`two cases are called ${id}`)
    ids.add(id)
    const unknown = requirements.find((requirement) => !known.has(requirement))
    if (unknown !== undefined) throw new CaseFault(`${id} names ${unknown}, which is no requirement`)
  }
  return cases
}
