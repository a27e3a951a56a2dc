/**
 * The pages of `spec/` as text with two kinds of places that are made from the registry:
 *
 *     **FRM-1**                          a line that begins so is followed by the requirement's level and text
 *     <!-- generated: table argument -->
 *     …                                  made by one of the makers below
 *     <!-- /generated -->
 *
 * Everything else on a page is written by people. `generate.ts` fills the places, `spec.test.ts` fails where they are stale.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { exampleBlock } from './examples.js'
import { registry, rootFolder } from './registry.js'
import type { RequirementEntry } from './registry.js'
import {
  errorsTable, extensionsTable, framesTable, frameTable, limitsTable, portsTable, reservedTable, tokensTable, typesTable,
} from './tables.js'

export interface Page {
  /** File name within `spec/`. */
  readonly name: string
  readonly text: string
}

const requirementLine = /^\*\*([A-Z]{3}-\d+)\*\*.*$/gm
const generatedPlace = /^<!-- generated: (\S+)(?: (\S+))? -->\n[\s\S]*?^<!-- \/generated -->$/gm

/** Pages in the order of their names. */
export function readPages(): Page[] {
  const folder = `${rootFolder}spec/`
  return readdirSync(folder).filter((name) => name.endsWith('.md')).sort()
    .map((name) => ({ name, text: readFileSync(folder + name, 'utf8') }))
}

export interface Definition {
  readonly id: string
  readonly page: string
  readonly line: string
}

/** Every place where a requirement stands. */
export function definitionsOf(pages: readonly Page[]): Definition[] {
  return pages.flatMap((page) => [...page.text.matchAll(requirementLine)]
    .map((match) => ({ id: match[1] ?? '', page: page.name, line: match[0] })))
}

/** By group of requirements, as `FRM`, the page where they begin. */
export function pageOfRequirements(): ReadonlyMap<string, string> {
  const pages = new Map<string, string>()
  for (const { id, page } of definitionsOf(readPages())) {
    const group = id.split('-')[0]!
    if (!pages.has(group)) pages.set(group, page)
  }
  return pages
}

export function requirementText(requirement: RequirementEntry): string {
  return `**${requirement.id}** (${requirement.level}) ${requirement.text}`
}

/** Where which group of requirements stands, with their numbers. */
function requirementsTable(pages: readonly Page[]): string {
  const definitions = definitionsOf(pages)
  const groups = new Map<string, RequirementEntry[]>()
  for (const requirement of registry.requirements) {
    const group = requirement.id.slice(0, 3)
    groups.set(group, [...groups.get(group) ?? [], requirement])
  }
  const rows = [...groups].map(([group, requirements]) => {
    const names = [...new Set(definitions.filter((definition) => definition.id.startsWith(`${group}-`)).map(({ page }) => page))]
    const count = (level: string): string => String(requirements.filter((requirement) => requirement.level === level).length)
    return `| ${group} | ${names.map((name) => `[${name}](${name})`).join(', ')} | ${count('MUST')} | ${count('SHOULD')} | ${count('MAY')} |`
  })
  return ['| group | stands in | MUST | SHOULD | MAY |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')
}

function make(maker: string, argument: string, pages: readonly Page[]): string {
  switch (maker) {
    case 'errors': return errorsTable(argument)
    case 'example': return exampleBlock(argument)
    case 'extensions': return extensionsTable()
    case 'frame': return frameTable(argument)
    case 'frames': return framesTable()
    case 'limits': return limitsTable()
    case 'ports': return portsTable()
    case 'requirements': return requirementsTable(pages)
    case 'reserved': return reservedTable()
    case 'tokens': return tokensTable()
    case 'types': return typesTable()
    default: throw new RangeError(`nothing makes ${maker}`)
  }
}

/** The page as it should be. Throws a RangeError for a place whose maker, frame, class or example does not exist. */
export function renderPage(page: Page, pages: readonly Page[]): string {
  const requirements = new Map(registry.requirements.map((requirement) => [requirement.id, requirement]))
  return page.text
    .replaceAll(requirementLine, (line, id: string) => {
      const requirement = requirements.get(id)
      return requirement === undefined ? line : requirementText(requirement)
    })
    .replaceAll(generatedPlace, (_place, maker: string, argument: string | undefined) => {
      const head = argument === undefined ? maker : `${maker} ${argument}`
      return `<!-- generated: ${head} -->\n${make(maker, argument ?? '', pages)}\n<!-- /generated -->`
    })
}
