import assert from 'node:assert/strict'
import { validateHeaderValue } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentDisposition, safeName } from './content-disposition.js'

test('a plain name stands as it is, another in both forms', () => {
  assert.equal(contentDisposition('inline', ''), 'inline')
  assert.equal(contentDisposition('inline', 'beach.jpg'), 'inline; filename="beach.jpg"')
  assert.equal(contentDisposition('attachment', 'a b.pdf'), 'attachment; filename="a b.pdf"')
  assert.equal(contentDisposition('attachment', 'r\u00e9sum\u00e9.pdf'), 'attachment; filename="resume.pdf"; filename*=UTF-8\'\'r%C3%A9sum%C3%A9.pdf')
  assert.equal(contentDisposition('attachment', '\u4f60\u597d.txt'), 'attachment; filename="_.txt"; filename*=UTF-8\'\'%E4%BD%A0%E5%A5%BD.txt')
  assert.equal(contentDisposition('attachment', "it's (1) 50%.txt"), 'attachment; filename="it\'s (1) 50_.txt"; filename*=UTF-8\'\'it%27s%20%281%29%2050%25.txt')
})

test('names with tricks lose them', () => {
  for (const [name, expected] of [
    ['../../etc/passwd', 'passwd'], ['C:\\Windows\\system32\\cmd.exe', 'cmd.exe'], ['/absolute', 'absolute'], ['..', ''], ['.', ''], ['...', ''],
    ['.bashrc', 'bashrc'], ['a"; filename="b.html', 'a_; filename=_b.html'], ['a\r\nSet-Cookie: x=1', 'aSet-Cookie_ x=1'], ['a\0.jpg', 'a.jpg'],
    ['photo\u202egpj.exe', 'photogpj.exe'], ['con', '_con'], ['NUL.txt', '_NUL.txt'], ['com1.log', '_com1.log'], ['console.log', 'console.log'],
    ['file.txt. . ', 'file.txt'], ['a:b|c?d*e<f>', 'a_b_c_d_e_f_'], ['\ud800x', 'x'], ['\u2028a', 'a'], ['dir/', ''],
  ] as const) assert.equal(safeName(name), expected, JSON.stringify(name))
})

test('characters that decompose into tricks are none in the plain name either', () => {
  for (const [name, plain] of [
    ['\uff0e\uff0e\uff0fetc\uff0fpasswd', 'passwd'], ['\uff0ebashrc', 'bashrc'], ['\u2026htaccess', 'htaccess'], ['a\uff3cb.txt', 'b.txt'], ['\uff0e\uff0e', '_'],
    ['\uff23\uff2f\uff2e', '_CON'], ['a\uff1ab\uff5cc', 'a_b_c'], ['\uff02x', '_x'],
  ] as const) assert.equal(/filename="([^"]*)"/.exec(contentDisposition('attachment', name))?.[1], plain, JSON.stringify(name))
})

test('a long name is cut between characters, and keeps its ending', () => {
  const name = safeName(`${'\u{1f600}'.repeat(100)}.jpeg`)
  assert.ok(Buffer.byteLength(name) <= 255 && Buffer.byteLength(name) > 250)
  assert.match(name, /^(\u{1f600})+\.jpeg$/u)
})

test('whatever the name, the header is one line of printable ASCII with one quoted name', () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 300 })), (name) => {
    const header = contentDisposition('attachment', name)
    validateHeaderValue('content-disposition', header)
    assert.match(header, /^attachment(; filename="[\x20\x21\x23\x24\x26-\x5b\x5d-\x7e]*"(; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]+)?)?$/)
  }), { numRuns: 500 })
})
