import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { plan } from '../../server/capacity/plan.js'
import { parseCommand } from './arguments.js'
import { CommandFailure } from './failure.js'
import { answersOf, constantsText, planText } from './plan.js'

const PAGE = new URL('../../../spec/capacity.md', import.meta.url)

test('spec/capacity.md shows what the program prints', () => {
  const answers = answersOf({})
  const page = readFileSync(PAGE, 'utf8')
  const outputs: Readonly<Record<string, string>> = {
    'chatd plan': `\`\`\`\n${planText(answers, plan(answers))}\`\`\`\n`,
    'chatd plan --constants': constantsText(),
  }
  const filled = page.replace(/(<!-- plan: (.+?) -->\n)[^]*?(<!-- end -->)/g, (_, begin: string, command: string, end: string) => `${begin}\n${outputs[command]!}\n${end}`)
  // CHATD_WRITE_PAGES=1 has the page filled in.
  if (process.env['CHATD_WRITE_PAGES'] === '1') writeFileSync(PAGE, filled)
  assert.equal(page, filled)
})

test('what is asked comes from the options, and all else has a default', () => {
  const command = parseCommand(['plan', '--users', '5e6', '--busy', '0.3', '--json'])
  assert.ok(command.kind === 'plan' && command.json)
  assert.equal(command.answers.users, 5e6)
  assert.equal(command.answers.busy, 0.3)
  assert.equal(command.answers['messages-per-day'], 100e9)
  assert.equal(parseCommand(['plan', '--constants']).kind, 'plan-constants')
})

test('an answer that is no number, or no share, is refused with its name', () => {
  for (const [args, message] of [
    [['--users', 'many'], /--users takes a number above 0/], [['--users', '0'], /--users/], [['--disk', ''], /--disk/], [['--cores', 'Infinity'], /--cores/],
    [['--busy', '50'], /--busy is a share/], [['--copies', '1.5'], /whole number/], [['--planets', '1'], /planets/], [['now'], /now is too much/],
  ] as const) {
    assert.throws(() => parseCommand(['plan', ...args]), (error) => error instanceof CommandFailure && message.test(error.message), args.join(' '))
  }
})

test('a plan reads well for one copy and one node too', () => {
  const answers = answersOf({ 'users': '100', 'messages-per-day': '1000', 'copies': '1' })
  const text = planText(answers, plan(answers))
  assert.match(text, /1 copy of each shard/)
  assert.match(text, /Redis: none/)
  assert.doesNotMatch(text, /NaN|undefined|Infinity/)
})
