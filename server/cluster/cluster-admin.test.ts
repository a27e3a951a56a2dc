import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RouterError } from '../router/router.js'
import { ClusterDesk } from './cluster-admin.js'
import type { NodeSeen } from './cluster-store.js'
import type { ClusterNode } from './node.js'
import type { NodeLinks } from './node-links.js'

/** The desk of n1, which sees n2 and n3; of these the ones named answer. */
function deskOf(...answering: readonly string[]): { desk: ClusterDesk, asked: string[], forgotten: string[], seen: NodeSeen[] } {
  const [asked, forgotten]: string[][] = [[], []]
  const seen = ['n1', 'n2', 'n3'].map((node) => ({ node, address: `tcp://${node}`, version: '1', ageMs: 0 }))
  const report = { role: 'standby', position: { epoch: 1, number: 2, token: '' }, members: ['n1', 'n2'], trouble: 'no Redis', waitingFor: [], isDrained: false }
  const own = { self: seen[0], report, directory: { nodes: seen, view: { owner: null } }, forget: (node: string) => { forgotten!.push(node) } } as unknown as ClusterNode
  const links = {
    ask: (node: string, _address: string, name: string) => {
      asked!.push(`${node} ${name}`)
      return answering.includes(node) ? Promise.resolve(report) : Promise.reject(new Error('away'))
    },
  } as unknown as NodeLinks
  const scheduler = { defer: setImmediate, after: () => { /* everybody answers at once */ } }
  return { desk: new ClusterDesk('chatd', 'n1', [own], links, scheduler), asked: asked!, forgotten: forgotten!, seen }
}

const refused = (text: RegExp) => (error: unknown): boolean => error instanceof RouterError && text.test(error.message)

test('a node that answers is not forgotten, since it may have what nobody else has', async () => {
  const { desk, asked, forgotten } = deskOf('n2', 'n3')
  await assert.rejects(desk.forget('n2'), refused(/n2 is there and answers: stop it first/))
  await assert.rejects(desk.forget('n1'), refused(/n1 is the node that you ask/))
  assert.deepEqual([asked, forgotten], [['n2 report'], []])
})

test('one that does not answer, or has not been seen for long, is, by all that are there', async () => {
  const { desk, asked, forgotten } = deskOf('n2')
  await desk.forget('n3')
  await desk.forget('n4')
  assert.deepEqual(forgotten, ['n3', 'n4'])
  assert.deepEqual(asked, ['n3 report', 'n2 forget', 'n2 forget', 'n3 forget'])
})

test('who does not answer is silent, and why is said', async () => {
  const { nodes } = (await deskOf('n2').desk.status()).shards[0]!
  assert.deepEqual(nodes.map(({ role, trouble }) => [role, trouble]), [['standby', 'no Redis'], ['standby', 'no Redis'], ['silent', 'does not answer: away']])
})

test('a node that Redis tells of nobody says what it has itself', async () => {
  const { desk, seen } = deskOf()
  seen.length = 0
  const { nodes, shards: [shard] } = await desk.status()
  assert.deepEqual(nodes.map(({ node }) => node), ['n1'])
  assert.deepEqual(shard?.nodes.map(({ node, trouble }) => [node, trouble]), [['n1', 'no Redis']])
})
