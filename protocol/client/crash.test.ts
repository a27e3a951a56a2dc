/** The real client in a real process, killed in the middle: nothing stored is lost, nothing is sent twice. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ModelServer } from './testing/model-server.js'
import { startSocketServer } from './testing/socket-server.js'

const SENDER = fileURLToPath(new URL('testing/sender.js', import.meta.url))

/** Runs one life of the sender; it is killed after it has told of `linesMax` messages. Returns what it told. */
async function runLife(url: string, directory: string, life: string, linesMax: number): Promise<string[]> {
  const child = spawn(process.execPath, [SENDER, url, directory, life], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === linesMax) child.kill('SIGKILL')
  }
  const [code, signal] = await ended as [number | null, string | null]
  assert.ok(code === 0 || signal === 'SIGKILL', `the sender ended with ${code ?? signal ?? ''}`)
  return lines
}

test('[MSG-3] [MSG-12] [MSG-13] a client killed again and again sends each stored message once, in order', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'chatd-crash-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const model = new ModelServer({ window: 64, unacknowledgedMax: 16, echoes: true })
  const server = await startSocketServer(t, model, 'tcp')
  const stored: string[] = []
  for (const [life, linesMax] of [['one', 1], ['two', 40], ['three', 7], ['four', 150]] as const) {
    stored.push(...await runLife(server.url, directory, life, linesMax))
  }
  await runLife(server.url, directory, 'last', 0)
  const sent = model.log('bob').map(({ text }) => text)
  assert.equal(new Set(sent).size, sent.length, 'a message was sent twice')
  assert.deepEqual(stored.filter((text) => !sent.includes(text)), [], 'stored, and never sent')
  const position = (text: string) => ['one', 'two', 'three', 'four'].indexOf(text.split(' ')[0] ?? '') * 1000 + Number(text.split(' ')[1])
  assert.deepEqual(sent, sent.toSorted((left, right) => position(left) - position(right)), 'out of order')
})
