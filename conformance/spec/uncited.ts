/** `npm run requirements`: which MUST requirements no test names, and why where that is known. The gate is `requirements.test.ts`. */
import { citedIds, testSources, uncited, vectorSources } from './citations.js'
import { registry } from './registry.js'
import { untested } from './untested.js'

const missing = uncited(citedIds(testSources(), vectorSources()))
for (const { id, text } of missing) console.log(`${id.padEnd(8)}${text}\n        ${untested[id] ?? 'no test names it'}`)
const musts = registry.requirements.filter(({ level }) => level === 'MUST').length
console.log(`${String(musts - missing.length)} of ${String(musts)} MUST requirements are named by a test`)
