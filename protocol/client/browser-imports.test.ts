/** What a browser loads: the import graph of the entries for browsers, as compiled, and that their types need no types of Node. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

const FROM = /(?:^|[;\s])(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]|(?:^|[;\s(])import\s*\(?\s*['"]([^'"]+)['"]/g

interface Graph {
  readonly texts: Map<string, string>
  /** What is not a relative path, with the file that asks for it. */
  readonly outside: string[]
}

/** All files that `entry` reaches; `suffix` replaces `.js` in what is read. */
async function walk(entry: string, suffix: string, graph: Graph = { texts: new Map(), outside: [] }): Promise<Graph> {
  const url = new URL(entry, import.meta.url).href
  if (graph.texts.has(url)) return graph
  const text = (await readFile(new URL(url.replace(/\.js$/, suffix)), 'utf8')).replace(/\/\*[^]*?\*\/|\/\/.*$/gm, '')
  graph.texts.set(url, text)
  for (const match of text.matchAll(FROM)) {
    const name = match[1] ?? match[2] ?? ''
    if (name.startsWith('.')) await walk(new URL(name, url).href, suffix, graph)
    else graph.outside.push(`${name} in ${url.slice(url.lastIndexOf('/') + 1)}`)
  }
  return graph
}

for (const entry of ['./browser.js', '../protocol.js']) {
  test(`${entry} reaches no module of Node and no package, so that a browser can load it as it is`, async () => {
    const { texts, outside } = await walk(entry, '.js')
    assert.deepEqual(outside, [])
    assert.ok(texts.size > 5, 'it reaches files at all')
    const types = await walk(entry, '.d.ts')
    assert.deepEqual(types.outside, [])
    for (const [url, text] of types.texts) assert.doesNotMatch(text, /\b(?:Buffer|NodeJS)\b/, url)
  })
}

test('the walk sees what the entry for Node needs', async () => {
  const { outside } = await walk('./node.js', '.js')
  assert.ok(outside.some((name) => name.startsWith('node:net')) && outside.some((name) => name.startsWith('ws ')))
})
