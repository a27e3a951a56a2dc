/** Messages changed from terminals: script mode. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AckJson, MessageJson } from './harness.js'
import { type Place, placeForFile, TIMEOUT_SECONDS } from './harness.js'

let place: Place
placeForFile(async (made) => {
  place = made
  await place.start('tcp')
  await place.addUsers('alice', 'bob')
})

async function seqOf(user: string, command: Parameters<Place['chat']>[0], ...args: string[]): Promise<number> {
  return (JSON.parse((await place.chat(command, user, ['--json', ...args]).finish())[0] ?? '') as AckJson).seq
}

test('[OPS-4] [OPS-6] [OPS-9] chat edit, react, reply and delete change what others see, live and in the history', async () => {
  const receiver = place.chat('recv', 'bob', ['--json', '--count', '2', '--timeout', TIMEOUT_SECONDS])
  assert.equal(await seqOf('alice', 'send', 'bob', 'helo'), 1)
  assert.equal(await seqOf('alice', 'edit', 'bob', '1', 'hello'), 2)
  assert.equal(await seqOf('bob', 'react', 'alice', '1', '👍'), 3)
  assert.equal(await seqOf('bob', 'react', 'alice', '1', '👍'), 0)
  assert.equal(await seqOf('bob', 'reply', 'alice', '1', 'hi'), 4)
  assert.equal(await seqOf('alice', 'send', 'bob', 'wrong window'), 5)
  assert.equal(await seqOf('alice', 'delete', 'bob', '5'), 6)
  const lines = (await receiver.finish()).map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(lines.filter(({ from }) => from === 'alice').map(({ seq, text, operation, target }) => [seq, text, operation, target]).slice(0, 2), [
    [1, 'helo', undefined, undefined], [2, 'hello', 'edit', 1],
  ])
  const history = await place.chat('history', 'bob', ['--json', '--with', 'alice']).finishJson<MessageJson & Record<string, unknown>>()
  assert.deepEqual(history.map(({ seq, text, edited, deleted, reactions, replyTo }) => [seq, text, typeof edited, deleted, reactions, replyTo]), [
    [1, 'hello', 'number', undefined, [{ emoji: '👍', count: 1, own: true }], undefined],
    [4, 'hi', 'undefined', undefined, undefined, 1],
    [5, '', 'undefined', true, undefined, undefined],
  ])
  const shown = (await place.chat('history', 'alice', ['--with', 'bob']).finish()).join('\n')
  assert.match(shown, /alice → bob: hello \[edited\] \[👍 1\]\n.*bob: hi \[reply to 1\]\n.*alice → bob: \[deleted\]$/)
})

test('[OPS-3] [OPS-4] [OPS-10] what is refused ends with a sentence and a code', async () => {
  for (const [command, args, expected] of [
    ['edit', ['alice', '1', 'mine'], /only who wrote a message may edit it/], ['edit', ['alice', '1', ''], /can't be made empty.*chat delete/], ['react', ['alice', '1', 'yes'], /emoji/], ['delete', ['alice', '99'], /no such message/],
  ] as const) {
    const refused = place.chat(command, 'bob', [...args])
    await refused.finish(3)
    assert.match(refused.stderr, expected)
  }
  const usage = place.chat('edit', 'bob', ['alice', 'one', 'text'])
  await usage.finish(2)
  assert.match(usage.stderr, /which message/)
})
