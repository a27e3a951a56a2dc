import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { SocketPairs } from './socket-pairs.js'

/** A folder of its own for temporary files, until the test ends. */
function temporary(t: TestContext): string {
  const [folder, before] = [mkdtempSync(join(tmpdir(), 'chatd-pairs-')), process.env['TMPDIR']]
  process.env['TMPDIR'] = folder
  t.after(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

test('what is written to one end comes out of the other, of each pair', async (t) => {
  const folder = temporary(t)
  const pairs = new SocketPairs()
  const opened = await Promise.all(['first', 'second', 'third'].map(async (text) => ({ text, ends: await pairs.open() })))
  for (const { text, ends: [near, far] } of opened) {
    near.write(text)
    far.resume()
    const [came] = await once(far, 'data') as [Buffer]
    assert.equal(came.toString(), text)
    near.destroy()
    far.destroy()
  }
  pairs.close()
  assert.deepEqual(readdirSync(folder), [])
})

test('where its folder was tidied away the next pair has another', { skip: process.platform === 'win32' }, async (t) => {
  const folder = temporary(t)
  const pairs = new SocketPairs()
  t.after(() => pairs.close())
  for (const end of await pairs.open()) end.destroy()
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
  await assert.rejects(pairs.open(), { code: 'ENOENT' })
  for (const end of await pairs.open()) end.destroy()
})
