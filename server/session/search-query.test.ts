/** The query over real sockets: what it refuses, what a page holds, and what it costs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '../../protocol/client/node.js'
import { element, type Element } from '../../protocol/element.js'
import { encodeMessage, encodeQuery } from '../../protocol/generated/frames.js'
import { ERROR, FRAME, LIMIT } from '../../protocol/generated/registry.js'
import { startServer } from '../run/run.js'
import { createHarness, settle } from './testing/harness.js'
import { errorOf, liveConfig, liveServer, login, PASSWORD } from '../testing/live-server.js'

test('[SCH-5] [SCH-6] what makes no sense gets the error that says so, and the session goes on', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const { client } = await login(t, url)
  const bad: [Element, number][] = [
    [element('search'), ERROR.badRequest], [element('search', { words: '' }), ERROR.badRequest], [element('search', { words: '!' }), ERROR.badRequest],
    [element('search', { words: 'a b c d e f g h i' }), ERROR.badRequest], [element('search', { words: 'x'.repeat(LIMIT.searchBytesMax + 1) }), ERROR.badRequest],
    [element('search', { words: 'x', limit: 0 }), ERROR.badRequest], [element('search', { words: 'x', since: 'soon' }), ERROR.badRequest],
    [element('search', { words: 'x', after: 'nowhere' }), ERROR.badRequest], [element('search', { words: 'x', after: '1/2/a b' }), ERROR.badRequest],
    [element('search', { words: 'x', with: 'a b' }), ERROR.malformedAddress], [element('search', { words: 'x', from: '#group' }), ERROR.malformedAddress],
    [element('search', { words: 'x', with: 'bob' }), ERROR.noSuchConversation], [element('search', { words: 'x', with: '#skiing' }), ERROR.noSuchConversation],
  ]
  for (const [id, [query, code]] of bad.entries()) {
    client.send(encodeQuery(id + 1, query))
    assert.equal(await errorOf(client), code, JSON.stringify([...query.attributes]))
  }
  client.send(encodeQuery(99, element('search', { words: 'x' })))
  const result = await client.until(FRAME.result)
  assert.ok(result.type === FRAME.result && result.element.attributes.get('more') === 'false')
})

test('[SCH-3] pages of long messages fit into frames and leave nothing out, through a restart', async (t) => {
  const config = liveConfig(t, { limits: { frameBytesMax: 16_384 } })
  const first = await liveServer(t, config)
  const { client } = await login(t, first.url)
  const long = `${'wörter '.repeat(90)}ende`
  for (let id = 1; id <= 40; id++) client.send(encodeMessage(id, 'bob', Buffer.from(`${long} ${String(id)}`)))
  for (let id = 1; id <= 40; id++) await client.until(FRAME.ack)
  await first.stop()
  const second = await startServer(config)
  t.after(() => second.stop())
  const bob = new Client({ server: second.ready.listeners[0]!, user: 'bob', password: PASSWORD, device: 'phone' })
  t.after(() => bob.close())
  await bob.connect()
  const seqs: number[] = []
  let pages = 0
  for (let after: string | null = ''; after !== null; pages++) {
    const page = await bob.search('worter END', after === '' ? { limit: 50 } : { limit: 50, after })
    seqs.push(...page.messages.map(({ seq }) => seq))
    assert.ok(page.messages.every(({ conversation, from, own }) => conversation === 'alice' && from === 'alice' && !own))
    after = page.next
  }
  assert.deepEqual(seqs, Array.from({ length: 40 }, (_, index) => 40 - index))
  assert.ok(pages > 1)
  await assert.rejects(bob.search('…'), { symbol: 'bad-request' })
})

test('a search that reads much counts as several queries', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { rate: { queriesPerSecond: 1, queriesBurst: 3 } }))
  const { client } = await login(t, url)
  for (let id = 1; id <= 200; id++) client.send(encodeMessage(id, 'bob', Buffer.from('filler')))
  for (let id = 1; id <= 200; id++) await client.until(FRAME.ack)
  client.send(encodeQuery(1, element('search', { words: 'needle' })))
  await client.until(FRAME.result)
  client.send(encodeQuery(2, element('devices')), encodeQuery(3, element('devices')))
  assert.equal(await errorOf(client), ERROR.rateLimited)
})

test('a search is paid for also by who does not wait for its answer, and what it did not need is given back', async () => {
  const harness = createHarness({ rate: { queriesPerSecond: 1, queriesBurst: 100 }, search: { rowsMax: 2000 } })
  const searching: ((rowsRead: number) => void)[] = []
  harness.router.search = () => new Promise((resolve) => {
    searching.push((rowsRead) => { resolve({ results: [], more: false, next: null, rowsRead }) })
  })
  const left = async (): Promise<number> => {
    const { transport } = await harness.open()
    for (let id = 1; id <= 200; id++) {
      transport.deliver(encodeQuery(id, element('devices')))
      await settle()
      if (transport.take().at(-1)?.type === FRAME.fail) return id - 1
    }
    return 200
  }
  const { transport } = await harness.open()
  for (let id = 1; id <= 4; id++) transport.deliver(encodeQuery(id, element('search', { words: 'x' })))
  await settle()
  assert.equal(searching.length, 4)
  transport.destroy()
  searching[0]!(2000)
  searching[1]!(2000)
  searching[2]!(50)
  searching[3]!(50)
  await settle()
  assert.equal(await left(), 100 - 4 - 40)
})
