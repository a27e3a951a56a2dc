/**
 * `npm run requirements`: which MUST requirements no test names. A report, not a gate: a requirement may be kept by a test that proves
 * several at once, but then its name should say so.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { registry, rootFolder } from './registry.js'

const folders = ['protocol', 'storage', 'server', 'conformance', 'bin']
const testName = /\b(?:test|it|describe|suite)\(\s*(['"`])((?:(?!\1)[\s\S])*)\1/g

function testNames(): string[] {
  const files = folders.flatMap((folder) => readdirSync(rootFolder + folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts')).map((name) => `${rootFolder}${folder}/${name}`))
  return files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(testName)].map((match) => match[2] ?? ''))
}

const cited = new Set(testNames().flatMap((name) => name.match(/\b[A-Z]{3}-\d+\b/g) ?? []))
const musts = registry.requirements.filter(({ level }) => level === 'MUST')
const uncited = musts.filter(({ id }) => !cited.has(id))
for (const { id, text } of uncited) console.log(`${id.padEnd(8)}${text}`)
console.log(`${String(musts.length - uncited.length)} of ${String(musts.length)} MUST requirements are named by a test`)
