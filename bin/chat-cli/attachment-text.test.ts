import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Attachment } from '../../protocol/client/node.js'
import { attachmentObject, attachmentText, bytesText, freeNames, nameToSave } from './attachment-text.js'
import { messageJson, messageText } from './formats.js'

const EMPTY = new Uint8Array(0)
const BEACH: Attachment = {
  id: 'ab'.repeat(32), type: 'image/jpeg', size: 2_481_234, name: 'beach.jpg', width: 4032, height: 3024, durationMs: 0, placeholder: Uint8Array.of(1, 2, 3),
  thumbnail: true, preview: '', key: EMPTY,
}
const FILE: Attachment = { ...BEACH, type: 'application/pdf', name: '', width: 0, height: 0, placeholder: EMPTY, thumbnail: false, size: 1 }

test('sizes are told in the largest unit that they fill', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 bytes'], [1, '1 byte'], [999, '999 bytes'], [1000, '1.0 KiB'], [1024, '1 KiB'], [2_481_234, '2.4 MiB'], [16_777_216, '16 MiB'],
    [5_368_709_120, '5 GiB'], [1_023_999, '1.0 MiB'],
  ]
  for (const [bytes, text] of cases) assert.equal(bytesText(bytes), text)
})

test('a message shows what it carries, in words and for scripts', () => {
  assert.equal(attachmentText(BEACH), '📎 beach.jpg 2.4 MiB image/jpeg, 4032×3024')
  assert.equal(attachmentText({ ...FILE, type: 'video/mp4', durationMs: 83_400, key: Uint8Array.of(1) }), '📎 file 1 byte video/mp4, 1:23, encrypted')
  assert.deepEqual(attachmentObject(FILE), { id: FILE.id, type: 'application/pdf', size: 1 })
  const message = { conversation: 'bob', from: 'bob', seq: 7, timeMs: 0, text: '', isIncomplete: false, extensions: Uint8Array.of(2, 0), attachments: [BEACH, FILE] }
  assert.match(messageText(message), / {2}bob: 📎 beach\.jpg 2\.4 MiB image\/jpeg, 4032×3024 📎 file 1 byte application\/pdf$/)
  assert.match(messageText({ ...message, text: 'look', attachments: [BEACH] }), / {2}bob: look 📎 beach\.jpg /)
  assert.deepEqual((JSON.parse(messageJson(message)) as { attachments: unknown }).attachments, [
    { id: BEACH.id, type: 'image/jpeg', size: 2_481_234, name: 'beach.jpg', width: 4032, height: 3024, placeholder: 'AQID', thumbnail: true },
    { id: FILE.id, type: 'application/pdf', size: 1 },
  ])
})

test('what a stranger calls a file does nothing to the terminal', () => {
  assert.ok(!attachmentText({ ...BEACH, name: 'a\u001b[31mb' }).includes('\u001b'))
})

const NAMES: readonly (readonly [string, string])[] = [
  ['beach.jpg', 'beach.jpg'], ['/etc/passwd', 'passwd'], ['..\\..\\boot.ini', 'boot.ini'], ['..', 'file-7.jpg'], ['.bashrc', 'bashrc'], ['...', 'file-7.jpg'],
  ['', 'file-7.jpg'], ['a\u202egpj.exe', 'agpj.exe'], ['a\nb', 'ab'], ['CON.txt', '_CON.txt'], ['nul', '_nul'], ['what?*.txt', 'what__.txt'], ['file:stream', 'file_stream'],
  ['trailing. ', 'trailing'], ['-rf', '-rf'], ['😀.png', '😀.png'],
]

for (const [name, saved] of NAMES) {
  test(`a file called ${JSON.stringify(name)} is saved as ${JSON.stringify(saved)}`, () => {
    assert.equal(nameToSave({ name, type: 'image/jpeg' }, 'file-7'), saved)
  })
}

test('whatever a file is called, it is saved in the folder, visible, and within the length that file systems take', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
    const saved = nameToSave({ name, type: 'image/png' }, 'file')
    assert.doesNotMatch(saved, /^\.|[/\\\p{Cc}\p{Cf}]/u)
    assert.ok(saved !== '' && Buffer.byteLength(saved) <= 220)
  }))
})

test('a name that is taken gets a number before its ending', () => {
  const first = (name: string): string[] => {
    const names = freeNames(name)
    return [1, 2, 3].map(() => names.next().value)
  }
  assert.deepEqual(first('beach.jpg'), ['beach.jpg', 'beach (2).jpg', 'beach (3).jpg'])
  assert.deepEqual(first('README'), ['README', 'README (2)', 'README (3)'])
})
