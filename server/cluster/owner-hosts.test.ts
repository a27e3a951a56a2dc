import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientHosts, OwnerHosts } from './owner-hosts.js'

const NOBODY = { owner: null, isSelf: false }
const owner = (node: string): { owner: { node: string, address: string, epoch: number }, isSelf: boolean } => ({ owner: { node, address: `tcp://${node}`, epoch: 1 }, isSelf: false })

test('hosts of a node are those of its listeners, the first of each scheme', () => {
  assert.deepEqual(clientHosts(['tcp://10.0.0.1:5322', 'wss://chat.example', 'tcp://10.0.0.2:1', 'nonsense']), { tcp: '10.0.0.1:5322', wss: 'chat.example' })
})

test('the owner is asked, again until it answers, and what comes too late or makes no sense is dropped', async () => {
  const later: (() => void)[] = []
  const answers = new Map<string, ((value: unknown) => void)[]>()
  let isAway = true
  const hosts = new OwnerHosts((node) => {
    if (isAway) return Promise.reject(new Error('away'))
    return new Promise((resolve) => { answers.set(node, [...answers.get(node) ?? [], resolve]) })
  }, { defer: (task) => later.push(task), after: (_, task) => later.push(task) })
  const settle = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })
  hosts.follow(owner('n1'))
  await settle()
  assert.equal(hosts.hosts, null)
  isAway = false
  later.pop()!()
  answers.get('n1')![0]!({ tcp: '10.0.0.1:5322', ws: 'not a host/x', wss: 7 })
  await settle()
  assert.deepEqual(hosts.hosts, { tcp: '10.0.0.1:5322' })
  hosts.follow(owner('n2'))
  assert.equal(hosts.hosts, null)
  hosts.follow(NOBODY)
  answers.get('n2')![0]!({ tcp: '10.0.0.2:5322' })
  await settle()
  assert.equal(hosts.hosts, null)
  hosts.follow({ ...owner('n3'), isSelf: true })
  assert.equal(answers.has('n3'), false)
})
