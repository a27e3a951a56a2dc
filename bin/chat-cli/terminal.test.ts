import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { TerminalScreen } from '../test/terminal-screen.js'
import { openKeyboard } from './keyboard.js'
import type { Key } from './line-editor.js'
import { keyName } from './line-editor.js'
import type { SpanLine } from './screen-layout.js'
import { Terminal } from './terminal.js'

function lines(...texts: string[]): SpanLine[] {
  return texts.map((text) => [{ text, style: 'title' }, { text: '!', style: 'plain' }])
}

test('draws only what changed, and stands the cursor where it belongs', () => {
  const screen = new TerminalScreen(20, 3)
  let written = ''
  const write = screen._write.bind(screen)
  screen._write = (chunk: string | Buffer, encoding, done) => { written += chunk.toString(); write(chunk, encoding, done) }
  const terminal = new Terminal(screen, true)
  terminal.enter()
  terminal.draw({ lines: lines('one', 'two', 'three'), row: 2, column: 4 })
  assert.deepEqual(screen.lines, ['one!', 'two!', 'three!'])
  assert.deepEqual(screen.cursor, { row: 2, column: 4 })
  written = ''
  terminal.draw({ lines: lines('one', 'zwei', 'three'), row: 0, column: 0 })
  assert.deepEqual(screen.lines, ['one!', 'zwei!', 'three!'])
  assert.ok(!written.includes('one') && !written.includes('three'))
  terminal.forget()
  terminal.draw({ lines: lines('one', 'zwei', 'drei'), row: 0, column: 0 })
  assert.deepEqual(screen.lines, ['one!', 'zwei!', 'drei!'])
})

test('leaves the terminal as it was', () => {
  const screen = new TerminalScreen(20, 3)
  const terminal = new Terminal(screen, true)
  terminal.enter()
  assert.deepEqual([...screen.modes], ['?1049', '?2004'])
  terminal.leave()
  assert.deepEqual([...screen.modes], ['?25'])
})

test('NO_COLOR: no colour is ever set', () => {
  const styles = ['plain', 'dim', 'bold', 'title', 'read', 'alert'] as const
  const output = new PassThrough()
  new Terminal(output, false).draw({ lines: [styles.map((style) => ({ text: 'x', style }))], row: 0, column: 0 })
   
  assert.doesNotMatch(String(output.read()), /\u001b\[(?:3|4|9|10)\dm/)
})

test('keys come by name, text as text, and a paste in one piece', async () => {
  const keyboard = Object.assign(new PassThrough(), { isTTY: true })
  const seen: string[] = []
  let isEnded = false
  const close = openKeyboard(keyboard, {
    key: (key: Key) => seen.push(key.text === '' ? keyName(key) : key.text),
    paste: (text) => seen.push(`paste ${JSON.stringify(text)}`),
    end: () => { isEnded = true },
  })
  keyboard.write('aß你\r\u007f\u0003\u001b[D\u001b[5~\u001b[3~\u001b[200~one\ntwo\u001b[201~z')
  const saw = async (count: number): Promise<void> => { while (seen.length < count) await new Promise(setImmediate) }
  await saw(11)
  assert.deepEqual(seen, ['a', 'ß', '你', 'return', 'backspace', 'ctrl-c', 'left', 'pageup', 'delete', 'paste "one\\ntwo"', 'z'])
  keyboard.write('\u001b')
  await saw(12)
  assert.equal(seen.at(-1), 'escape')
  // Brought at once by a slow line: what follows is a command, not a message.
  keyboard.write('\u001b/q')
  await saw(15)
  assert.deepEqual(seen.slice(-3), ['escape', '/', 'q'])
  close()
  keyboard.write('ignored')
  await new Promise(setImmediate)
  assert.equal(seen.length, 15)
  assert.equal(isEnded, false)
})
