import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attachment } from '../attachments.js'
import { MessageViews } from './message-views.js'

test('[OPS-15] of operations on a message that has not come only so many are kept, and those that hold are among them', () => {
  const views = new MessageViews('alice', 8)
  for (let seq = 100; seq < 1100; seq++) views.apply({ seq, from: 'bob', target: 7, kind: 'react', text: seq % 2 === 0 ? '👍' : '❤️' })
  views.apply({ seq: 1100, from: 'bob', target: 7, kind: 'edit', text: 'first' })
  views.apply({ seq: 1101, from: 'bob', target: 7, kind: 'edit', text: 'second' })
  for (let target = 10; target < 1000; target++) views.apply({ seq: 2000 + target, from: 'bob', target, kind: 'react', text: '👍' })
  assert.ok(views.waiting <= 8)
  views.add({ seq: 7, text: 'zeroth' }, 0)
  assert.deepEqual(views.get(7), { text: 'second', attachments: [], isEdited: true, isDeleted: false, isExpired: false, reactions: [{ emoji: '❤️', count: 1, own: false, users: ['bob'] }] })
})

test('[OPS-7] a deleted message stays deleted, whatever comes before or behind', () => {
  const views = new MessageViews('alice')
  views.add({ seq: 1, text: 'secret' }, 0)
  views.apply({ seq: 2, from: 'bob', target: 1, kind: 'edit', text: 'another secret' })
  views.apply({ seq: 3, from: 'bob', target: 1, kind: 'delete', text: '' })
  views.apply({ seq: 4, from: 'bob', target: 1, kind: 'edit', text: 'late secret' })
  views.apply({ seq: 6, from: 'bob', target: 5, kind: 'edit', text: 'early secret' })
  views.apply({ seq: 7, from: 'bob', target: 5, kind: 'delete', text: '' })
  assert.deepEqual(views.get(1), { text: '', attachments: [], isEdited: false, isDeleted: true, isExpired: false, reactions: [] })
  views.add({ seq: 5, text: 'secret' }, 0)
  assert.deepEqual(views.get(5), { text: '', attachments: [], isEdited: false, isDeleted: true, isExpired: false, reactions: [] })
  views.add({ seq: 1, text: 'a page of before', reactions: [{ emoji: '👍', count: 2, own: false, users: ['bob'] }] }, 9)
  assert.deepEqual(views.get(1), { text: '', attachments: [], isEdited: false, isDeleted: true, isExpired: false, reactions: [] })
})

test('[DIS-8] a view drops what has expired, edits and reactions with it, and takes nothing more', () => {
  const views = new MessageViews('alice')
  views.add({ seq: 1, text: 'soon gone', expiresMs: 1000 }, 0)
  views.add({ seq: 2, text: 'stays' }, 0)
  views.apply({ seq: 3, from: 'bob', target: 1, kind: 'edit', text: 'edited' })
  views.apply({ seq: 4, from: 'bob', target: 1, kind: 'react', text: '👍' })
  assert.equal(views.nextExpiryMs, 1000)
  assert.deepEqual(views.expire(999), [])
  assert.equal(views.get(1)?.text, 'edited')
  assert.deepEqual(views.expire(1000), [1])
  assert.deepEqual(views.expire(2000), [])
  views.apply({ seq: 5, from: 'bob', target: 1, kind: 'edit', text: 'back' })
  views.add({ seq: 1, text: 'soon gone', expiresMs: 1000 }, 9)
  assert.deepEqual(views.get(1), { text: '', attachments: [], isEdited: false, isDeleted: false, isExpired: true, reactions: [] })
  assert.equal(views.nextExpiryMs, Infinity)
  assert.equal(views.get(2)?.isExpired, false)
})

test('[OPS-7] [DIS-8] a message of files alone is neither deleted nor expired, and loses its files when it is', () => {
  const file: Attachment = {
    id: 'ab'.repeat(32), type: 'image/jpeg', size: 7, name: '', width: 0, height: 0, durationMs: 0, placeholder: new Uint8Array(0), thumbnail: false, preview: '',
    key: new Uint8Array(0),
  }
  const views = new MessageViews('alice')
  views.add({ seq: 1, text: '', attachments: [file] }, 0)
  views.add({ seq: 2, text: '', attachments: [file], expiresMs: 1000 }, 0)
  views.apply({ seq: 3, from: 'bob', target: 1, kind: 'edit', text: 'a caption' })
  assert.deepEqual(views.get(1), { text: 'a caption', attachments: [file], isEdited: true, isDeleted: false, isExpired: false, reactions: [] })
  assert.deepEqual(views.get(2)?.attachments, [file])
  assert.deepEqual(views.expire(1000), [2])
  assert.deepEqual(views.get(2)?.attachments, [])
  views.apply({ seq: 4, from: 'bob', target: 1, kind: 'delete', text: '' })
  assert.deepEqual(views.get(1), { text: '', attachments: [], isEdited: false, isDeleted: true, isExpired: false, reactions: [] })
})
