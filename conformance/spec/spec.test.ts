/** Prose, registry and code say the same: pages are fresh, requirements stand once, and every name that is used exists. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { definitionsOf, readPages, renderPage, requirementText } from './pages.js'
import { registry, rootFolder } from './registry.js'
import type { Page } from './pages.js'

const pages = readPages()
const rootPages: Page[] = ['README.md', 'CHANGELOG.md'].map((name) => ({ name, text: readFileSync(rootFolder + name, 'utf8') }))
const knownIds = new Set(registry.requirements.map(({ id }) => id))
const errorNames = new Set(registry.errors.map(({ name }) => name))
const extensionNames = new Set(registry.extensions.map(({ name }) => name))
const limitNames = new Set(registry.limits.map(({ name }) => name))
const frameFields = new Map(registry.frames.map((frame) => [frame.name, new Set(frame.fields.map(({ name }) => name))]))
const fieldNames = new Set([...frameFields.values()].flatMap((fields) => [...fields]))

test('tables, examples and requirements of every page are fresh', () => {
  for (const page of pages) {
    assert.equal(renderPage(page, pages), page.text, `spec/${page.name} is stale: npm run generate:spec`)
  }
})

test('every requirement of the registry stands in the prose exactly once, with its text and level', () => {
  const definitions = definitionsOf(pages)
  for (const requirement of registry.requirements) {
    const places = definitions.filter(({ id }) => id === requirement.id)
    assert.equal(places.length, 1, `${requirement.id} stands ${String(places.length)} times`)
    assert.equal(places[0]?.line, requirementText(requirement))
  }
  assert.deepEqual(definitions.filter(({ id }) => !knownIds.has(id)), [])
})

test('requirement ids are unique, and each says what its level says', () => {
  assert.equal(knownIds.size, registry.requirements.length)
  for (const { id, text } of registry.requirements) {
    assert.match(id, /^[A-Z]{3}-[1-9]\d*$/)
    assert.match(text, /^\S.*[.]$/, `${id} is a sentence`)
    assert.doesNotMatch(text, /\b(MUST|SHOULD|MAY)\b/, `${id}: the level stands beside the text`)
  }
})

/** Looks like a requirement id, and is something else. */
const otherNumbers = new Set(['UTF', 'SHA', 'RFC', 'XEP', 'CVE', 'ISO', 'CRC', 'AES', 'GCM'])

function unknownCitations(sources: readonly Page[]): string[] {
  return sources.flatMap(({ name, text }) => [...text.matchAll(/\b([A-Z]{3})-\d+\b/g)]
    .filter((match) => !otherNumbers.has(match[1] ?? '') && !knownIds.has(match[0]))
    .map((match) => `${name} cites ${match[0]}`))
}

function sourcesOf(folder: string): Page[] {
  return readdirSync(rootFolder + folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).sort()
    .map((name) => ({ name: `${folder}/${name}`, text: readFileSync(`${rootFolder}${folder}/${name}`, 'utf8') }))
}

test('no page and no source cites a requirement that does not exist', () => {
  const sources = ['protocol', 'storage', 'server', 'bin', 'conformance'].flatMap(sourcesOf)
  assert.ok(sources.length > 20, 'the walk found the sources')
  assert.deepEqual(unknownCitations([...pages, ...rootPages, ...sources]), [])
})

test('a citation of an unknown requirement is found', () => {
  const planted = ['FRM', '999'].join('-')
  assert.deepEqual(unknownCitations([{ name: 'planted', text: `see [${planted}], [FRM-1], UTF-8 and SHA-256` }]), [`planted cites ${planted}`])
})

/** Prose without generated places, fences of other languages and comments: what people wrote. */
function written(page: Page): string {
  return page.text.replaceAll(/^<!-- generated[\s\S]*?<!-- \/generated -->$/gm, '').replaceAll(/^```[\s\S]*?^```$/gm, '')
}

function codeSpans(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '')
}

/** Words in code spans that have a hyphen and are no error: attributes and values of elements, mechanisms, files, labels. */
const otherHyphenated = new Set([...registry.tokens, ...registry.mechanisms, ...registry.channelBindings, ...pages.flatMap(queryNames)])

/** A query has its name in the heading of its section; a new word is not in the dictionary. */
function queryNames({ text }: Page): string[] {
  return [...text.matchAll(/^#{2,3} ([a-z-]+(?:, [a-z-]+)*)$/gm)].flatMap((match) => (match[1] ?? '').split(', '))
}

function unknownNames(text: string): string[] {
  const unknown: string[] = []
  for (const span of codeSpans(text)) {
    const dotted = /^([a-z][A-Za-z]*)\.([a-z][A-Za-z]*)$/.exec(span)
    const fields = frameFields.get(dotted?.[1] ?? '')
    if (dotted !== null && fields !== undefined && !fields.has(dotted[2] ?? '')) unknown.push(span)
    if (/^[a-z]+[A-Za-z]*(Max|Min|Ms|Default)$/.test(span) && !limitNames.has(span) && !fieldNames.has(span)) unknown.push(span)
    if (/^[a-z]+(-[a-z]+)+$/.test(span) && !errorNames.has(span) && !otherHyphenated.has(span)) unknown.push(span)
  }
  return unknown
}

/** Pages on this implementation, whose code spans also name packages, scenarios and settings. */
const pagesOfTheServer = new Set(['cluster.md', 'decisions.md', 'failures.md', 'links.md', 'operating.md', 'performance.md', 'performance-log.md'])
const pagesOfTheProtocol = pages.filter(({ name }) => !pagesOfTheServer.has(name))

test('every error, field and limit that the prose names exists', () => {
  for (const page of pagesOfTheProtocol) assert.deepEqual(unknownNames(written(page)), [], `spec/${page.name}`)
})

test('a name that does not exist is found', () => {
  const text = 'Here `welcome.colour`, `tokenAgeMax` and `not-amused` are wrong; `welcome.token`, `tokenAgeMs`, `not-authorized` are right.'
  assert.deepEqual(unknownNames(text), ['welcome.colour', 'tokenAgeMax', 'not-amused'])
})

/** Words of a requirement that claim to be names: dotted fields, limits, and errors behind the verbs that lead to one. */
function unknownNamesOfRequirement(text: string): string[] {
  const unknown: string[] = []
  for (const [whole, frame, field] of text.matchAll(/\b([a-z][A-Za-z]*)\.([a-z][A-Za-z]*)\b/g)) {
    if (frameFields.get(frame ?? '')?.has(field ?? '') !== true) unknown.push(whole)
  }
  for (const [word] of text.matchAll(/\b[a-z]+[A-Z][A-Za-z]*\b/g)) {
    if (!limitNames.has(word) && !fieldNames.has(word) && !frameFields.has(word) && !extensionNames.has(word)) unknown.push(word)
  }
  for (const [, name] of text.matchAll(/\b(?:closes?|closed|closing|refused|refuses [\w ]+|fails|answers auth) with ([a-z]+(?:-[a-z]+)*)/g)) {
    if (!errorNames.has(name ?? '') && name?.includes('-') === true) unknown.push(name)
  }
  return unknown
}

test('every field, limit and error that a requirement names exists', () => {
  for (const { id, text } of registry.requirements) {
    assert.deepEqual(unknownNamesOfRequirement(text), [], id)
  }
  assert.deepEqual(unknownNamesOfRequirement('it is closed with bad-luck after luckMs of welcome.luck'), ['welcome.luck', 'luckMs', 'bad-luck'])
})

test('every error, limit and frame stands on a page', () => {
  const all = pages.map(({ text }) => text).join('\n')
  for (const name of [...errorNames, ...limitNames, ...frameFields.keys()]) assert.ok(all.includes(`\`${name}\``), `${name} stands nowhere`)
  for (const frame of frameFields.keys()) {
    const named = new RegExp(`<!-- generated: frame ${frame} -->`).test(all)
    assert.ok(named || frame === 'ping' || frame === 'pong', `the fields of ${frame} stand nowhere`)
  }
})

/** The table at the top of errors.md: what a client that does not know a number goes by. */
const classes = [
  { from: 100, to: 199, name: 'again', scope: 'stream', retryable: true },
  { from: 200, to: 219, name: 'fault', scope: 'stream', retryable: false },
  { from: 220, to: 239, name: 'credentials', scope: 'stream', retryable: false },
  { from: 240, to: 299, name: 'ended', scope: 'stream', retryable: false },
  { from: 300, to: 399, name: 'retry', scope: 'stanza', retryable: true },
  { from: 400, to: 499, name: 'refused', scope: 'stanza', retryable: false },
]

test('the number of every error says its class, where it travels and whether to try again', () => {
  const page = pages.find(({ name }) => name === 'errors.md')?.text ?? ''
  for (const { from, to, name } of classes) assert.ok(page.includes(`| ${String(from)} to ${String(to)} | ${name} |`), `${name} has its row`)
  for (const error of registry.errors) {
    const expected = classes.find(({ from, to }) => error.code >= from && error.code <= to)
    assert.deepEqual([error.class, error.scope, error.retryable], [expected?.name, expected?.scope, expected?.retryable], error.name)
  }
})

/** GitHub's rule for the anchor of a heading, as far as these pages need it. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(' ', '-')
}

function anchorsOf(text: string): Set<string> {
  return new Set([...text.matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1] ?? '')))
}

function brokenLinks(page: Page, folder: string): string[] {
  const broken: string[] = []
  for (const [, target] of page.text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/\]\(([^)\s]+)\)/g)) {
    if (target === undefined || /^https?:/.test(target)) continue
    const [file, anchor] = target.split('#')
    try {
      const text = file === '' || file === undefined ? page.text : readFileSync(`${folder}${file}`, 'utf8')
      if (anchor !== undefined && !anchorsOf(text).has(anchor)) broken.push(`${page.name} links ${target}: no such heading`)
    } catch {
      broken.push(`${page.name} links ${target}: no such file`)
    }
  }
  return broken
}

test('links between pages lead somewhere', () => {
  assert.deepEqual(pages.flatMap((page) => brokenLinks(page, `${rootFolder}spec/`)), [])
  assert.deepEqual(rootPages.flatMap((page) => brokenLinks(page, rootFolder)), [])
  const planted = { name: 'planted', text: '# A heading\n[a](#a-heading) [b](#none) [c](none.md)' }
  assert.equal(brokenLinks(planted, `${rootFolder}spec/`).length, 2)
})
