import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Element } from '../../protocol/element.js'
import { element } from '../../protocol/element.js'
import { changeText } from './change-text.js'
import { localTime, messageJson, messageText } from './formats.js'

function naming(kind: string, attributes: Readonly<Record<string, string>>, ...names: readonly string[]): Element {
  return element(kind, attributes, ...names.map((name) => element('member', { name })))
}

const SENTENCES: readonly (readonly [change: Element, outside: string, inside: string])[] = [
  [naming('create', { name: 'Skiing' }, 'alice', 'bob', 'carol'), 'alice made #skiing with bob and carol', 'alice made the group with you and carol'],
  [naming('create', { name: 'Skiing' }, 'alice'), 'alice made #skiing', 'alice made the group'],
  [naming('add', {}, 'bob', 'carol', 'dave'), 'alice added bob, carol and dave to #skiing', 'alice added you, carol and dave'],
  [naming('invite', {}, 'bob'), 'alice invited bob to #skiing', 'alice invited you'],
  [element('join'), 'alice joined #skiing', 'alice joined'],
  [element('request'), 'alice asked to join #skiing', 'alice asked to join'],
  [naming('deny', {}, 'bob'), 'alice turned down bob for #skiing', 'alice turned down you'],
  [naming('deny', {}, 'alice'), 'alice decided not to join #skiing', 'alice decided not to join'],
  [naming('remove', {}, 'bob'), 'alice removed bob from #skiing', 'alice removed you'],
  [element('leave'), 'alice left #skiing', 'alice left'],
  [naming('role', { role: 'admin' }, 'bob'), 'alice made bob an admin of #skiing', 'alice made you an admin'],
  [naming('role', { role: 'member' }, 'bob', 'carol'), 'alice made bob and carol plain members of #skiing', 'alice made you and carol plain members'],
  [naming('owner', {}, 'bob'), 'alice made bob the owner of #skiing', 'alice made you the owner'],
  [element('info', { name: 'Snow', about: '' }), 'alice called #skiing “Snow” and removed the description of #skiing', 'alice called the group “Snow” and removed the description of the group'],
  [element('policy', { post: 'admins' }), 'alice changed what may be done in #skiing: only admins may write', 'alice changed what may be done in the group: only admins may write'],
  [element('disband'), 'alice disbanded #skiing', 'alice disbanded the group'],
]

for (const [change, outside, inside] of SENTENCES) {
  test(`a change in words: ${outside}`, () => {
    assert.equal(changeText(change, 'alice', { me: null, group: '#skiing' }), outside)
    assert.equal(changeText(change, 'alice', { me: 'bob', group: null }), inside)
  })
}

test('[GRP-20] a change that is not known is told as something that changed', () => {
  const change = element('confetti', { colour: 'red' })
  assert.match(changeText(change, 'alice', { me: null, group: '#skiing' }), /^alice changed something in #skiing/)
  assert.match(changeText(change, 'bob', { me: 'bob', group: null }), /^you changed something/)
})

test('many names are counted, and no name acts on the terminal', () => {
  const names = Array.from({ length: 30 }, (_, at) => `user${at}`)
  assert.match(changeText(naming('add', {}, ...names), 'alice', { me: null, group: '#g' }), /^alice added user0, .*user8 and 21 others to #g$/)
  assert.equal(changeText(element('info', { name: 'a\u001b[2J' }), 'alice', { me: null, group: '#g' }), 'alice called #g “a␛[2J”')
})

test('a change is a line like a message, in words and as an object instead of a text', () => {
  const line = { conversation: '#skiing', from: 'alice', seq: 2, timeMs: 1_767_225_600_123, text: '', isIncomplete: false, change: naming('role', { role: 'admin' }, 'bob') }
  assert.equal(messageText(line), `${localTime(line.timeMs)}  alice made bob an admin of #skiing`)
  assert.equal(messageJson({ ...line, index: 9 }),
    '{"conversation":"#skiing","from":"alice","seq":2,"index":9,"time":1767225600123,"change":{"name":"role","attributes":{"role":"admin"},"members":["bob"]}}')
  assert.equal('text' in (JSON.parse(messageJson(line)) as object), false)
})
