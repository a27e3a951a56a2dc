/** Every MUST of the spec is named by a test that proves it, or stands in a list with the reason why none can. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { citedIds, testSources, uncited, vectorSources } from './citations.js'
import { registry } from './registry.js'
import { untested } from './untested.js'

test('every MUST requirement is named by a test, or has a reason why not', () => {
  const missing = uncited(citedIds(testSources(), vectorSources())).map(({ id }) => id)
  assert.deepEqual(missing.filter((id) => !Object.hasOwn(untested, id)), [], 'name it in the title of the test that shows it: [FRM-4] …')
})

test('the list of reasons holds nothing that is tested, optional or unknown', () => {
  const missing = new Set(uncited(citedIds(testSources(), vectorSources())).map(({ id }) => id))
  assert.deepEqual(Object.keys(untested).filter((id) => !missing.has(id)), [])
  for (const [id, reason] of Object.entries(untested)) assert.match(reason, /^[A-Z].{20,}\.$/s, `${id}: a sentence`)
})

test('a title, a vector, a template and a multi-line call are read; comments and strings elsewhere are not', () => {
  // In pieces, so that this file does not cite what it plants.
  const call = 'test'
  const text = [
    '// [FRM-9]', `${call}('[FRM-1] it\\'s [FRM-2]', () => {`, '  const x = \'[FRM-3]\'', '})',
    `void ${call}(`, '  `[FRM-4] ${x}`, f)', `${call.replace('test', 'provoke')}('[FRM-5] [200 x] y', f)`,
  ].join('\n')
  const vectors = [{ name: 'planted', text: '{ "requirement":"FRM-6", "note": "FRM-7" }' }]
  assert.deepEqual([...citedIds([{ name: 'planted', text }], vectors)].sort(), ['FRM-1', 'FRM-2', 'FRM-4', 'FRM-5', 'FRM-6'])
})

test('a requirement that no test names is found', () => {
  const musts = registry.requirements.filter(({ level }) => level === 'MUST')
  const planted = musts.at(-1)!.id
  assert.deepEqual(uncited(new Set(musts.map(({ id }) => id).filter((id) => id !== planted))).map(({ id }) => id), [planted])
})
