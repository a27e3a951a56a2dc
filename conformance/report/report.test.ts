/** Reports, and what breaks a run. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'ltx'
import { rootFolder } from '../spec/registry.js'
import { loadCases } from '../runner/load.js'
import { readKnown } from '../runner/known.js'
import type { Result, Verdict } from '../runner/verdict.js'
import { jsonReport } from './json.js'
import { junitXml } from './junit.js'
import { isBroken } from './summary.js'
import type { Run } from './summary.js'
import { Progress, failureText, summaryText } from './terminal.js'

const cases = loadCases().slice(0, 4)

function result(place: number, verdict: Verdict): Result {
  const failure = verdict === 'PASS' || verdict === 'UNSUPPORTED'
    ? null : { requirements: ['FRM-11'], expected: 'close with <malformed>', came: 'nothing & "less"\u0001', step: 3, stderr: 'a\nb' }
  const trace = [{ atMs: 5, who: 'client', connection: 1, text: '<ping nonce="7"/>', hex: '022c07', bytes: 3 } as const]
  return { case: cases[place]!, verdict, failure, reason: verdict === 'UNSUPPORTED' ? 'no clock' : '', durationMs: 12, trace }
}

function runOf(verdicts: readonly Verdict[], known = '{"known":[]}'): Run {
  return {
    mode: 'client', target: 'node adapter.js', seed: '1', results: verdicts.map((verdict, place) => result(place, verdict)), durationMs: 1234,
    known: readKnown(known, cases), alone: (id) => `chat-conformance client ${id} -- node adapter.js`,
  }
}

const knownAs = (verdict: Verdict, came?: string): string => JSON.stringify({ known: [{ case: cases[1]!.id, verdict, reason: 'it is old', came }] })

test('a failure tells the requirement, what was expected, what came, and how to run the case alone', () => {
  const run = runOf(['PASS', 'FAIL'])
  const text = failureText(run, run.results[1]!)
  for (const part of ['FRM-11 (MUST) A frame of length 0 is malformed.', 'close with <malformed>', 'nothing & "less"', `client ${cases[1]!.id} -- node adapter.js`]) {
    assert.ok(text.includes(part), part)
  }
})

test('failures, crashes and timeouts break a run; what is unsupported or not strict does not', () => {
  for (const verdict of ['FAIL', 'CRASH', 'TIMEOUT'] as const) assert.ok(isBroken(runOf(['PASS', verdict])))
  for (const verdict of ['PASS', 'NON-STRICT', 'UNSUPPORTED', 'NOT-RUN'] as const) assert.ok(!isBroken(runOf(['PASS', verdict])))
})

test('a known failure breaks no run, unless it passes or fails otherwise', () => {
  assert.ok(!isBroken(runOf(['PASS', 'FAIL'], knownAs('FAIL'))))
  assert.ok(!isBroken(runOf(['PASS', 'FAIL'], knownAs('FAIL', 'nothing'))))
  assert.ok(isBroken(runOf(['PASS', 'PASS'], knownAs('FAIL'))))
  assert.ok(isBroken(runOf(['PASS', 'TIMEOUT'], knownAs('FAIL'))))
  assert.ok(isBroken(runOf(['PASS', 'FAIL'], knownAs('FAIL', 'something'))))
  assert.match(summaryText(runOf(['PASS', 'FAIL'], knownAs('FAIL'))), /1 known/)
})

test('a file of known failures that makes no sense is refused', () => {
  for (const text of ['{}', '{"known":[{}]}', '{"known":[{"case":"no/such/case","verdict":"FAIL","reason":"x"}]}', knownAs('PASS'), knownAs('FAIL').replace('it is old', '')]) {
    assert.throws(() => readKnown(text, cases), TypeError, text)
  }
})

test('the JSON report keeps to its schema', () => {
  const ajv = new Ajv({ strict: false, allErrors: true })
  const check = ajv.compile(JSON.parse(readFileSync(`${rootFolder}conformance/report.schema.json`, 'utf8')) as object)
  assert.ok(check(JSON.parse(jsonReport(runOf(['PASS', 'FAIL', 'UNSUPPORTED', 'CRASH'])))), ajv.errorsText(check.errors))
  assert.equal(check({ ...JSON.parse(jsonReport(runOf(['PASS']))) as object, more: 1 }), false)
})

test('the JUnit report is XML that counts failures, errors and what was skipped', () => {
  const xml = parse(junitXml(runOf(['PASS', 'FAIL', 'UNSUPPORTED', 'TIMEOUT'])))
  const [suite] = xml.getChildren('testsuite')
  assert.deepEqual([suite?.attrs['tests'], suite?.attrs['failures'], suite?.attrs['errors'], suite?.attrs['skipped']], ['4', '1', '1', '1'])
  assert.match(xml.toString(), /ping nonce/)
})

test('progress shows a line that changes on a terminal, and only failures in a log', () => {
  const written: string[] = []
  const log = new Progress(2, { write: (text) => written.push(text) > 0 })
  log.step(result(0, 'PASS'), '')
  log.step(result(1, 'FAIL'), 'FAIL it')
  log.end()
  assert.deepEqual(written, ['FAIL it\n\n'])
  const terminal = new Progress(2, { isTTY: true, write: (text) => written.push(text) > 0 })
  terminal.step(result(0, 'PASS'), '')
  assert.match(written.at(-1) ?? '', /1\/2/)
})
