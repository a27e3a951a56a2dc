/** Passwords from a pipe, or from a person without showing what is typed. */
import type { ReadStream } from 'node:tty'
import { LIMIT } from '../../protocol/generated/registry.js'
import { CommandFailure, EXIT } from './failure.js'

/** The first line of the stream without its line end; the rest is not read. */
export async function readPasswordLine(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk)
    chunks.push(bytes)
    size += bytes.length
    if (bytes.includes(0x0a) || size > 4 * LIMIT.passwordBytesMax) break
  }
  const [line = ''] = Buffer.concat(chunks).toString('utf8').split('\n', 1)
  return line.replace(/\r$/, '')
}

/** Asks twice on the terminal, without echo. Throws a CommandFailure where there is no terminal, or the two differ. */
export async function readPasswordFromTerminal(user: string): Promise<string> {
  const { stdin } = process
  if (!stdin.isTTY) throw new CommandFailure(EXIT.usage, 'there is no terminal to ask on: give the password on stdin with --password-stdin')
  const first = await ask(stdin, `Password for ${user}: `)
  const second = await ask(stdin, 'The same again: ')
  if (first !== second) throw new CommandFailure(EXIT.failed, 'the two passwords differ: try again')
  return first
}

const ENTER = /[\r\n]/
const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const ERASE = /[\u0008\u007f]/

function ask(terminal: ReadStream, prompt: string): Promise<string> {
  process.stderr.write(prompt)
  return new Promise((resolve, reject) => {
    let typed = ''
    const finish = (): void => {
      terminal.off('data', onData)
      terminal.setRawMode(false)
      terminal.pause()
      process.stderr.write('\n')
    }
    const onData = (chunk: Buffer | string): void => {
      const letters = [...chunk.toString('utf8')]
      for (const [index, letter] of letters.entries()) {
        if (letter === CTRL_C || letter === CTRL_D) {
          finish()
          reject(new CommandFailure(EXIT.failed, 'stopped; nothing was changed'))
          return
        }
        if (ENTER.test(letter)) {
          finish()
          // What was pasted behind the line belongs to the next question.
          const rest = letters.slice(index + 1).join('')
          if (rest !== '') terminal.unshift(Buffer.from(rest))
          resolve(typed)
          return
        }
        typed = ERASE.test(letter) ? [...typed].slice(0, -1).join('') : typed + letter
      }
    }
    terminal.setRawMode(true)
    terminal.resume()
    terminal.on('data', onData)
  })
}
