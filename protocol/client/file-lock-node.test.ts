/** Which locks are a living one's, and which names a lock may have; that it is one's alone is tested with the storage of files. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { LockedError, lockFile } from './file-lock-node.js'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'chatd-lock-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

test('a name as long as the file system takes can be a lock, also where a dead process left it', async (t) => {
  const place = await folder(t)
  const path = join(place, 'n'.repeat(255))
  const unlock = await lockFile(path)
  await assert.rejects(lockFile(path), LockedError)
  await unlock()
  const dead = spawnSync(process.execPath, ['-e', ''])
  await writeFile(path, `${dead.pid} 1\n`)
  await (await lockFile(path))()
  assert.deepEqual(await readdir(place), [])
})

test('a lock is taken from a thread that is gone, and from none of which that is not known', { skip: !existsSync('/proc/thread-self') }, async (t) => {
  const path = join(await folder(t), 'lock')
  // The parent of this process lives.
  const { ppid } = process
  const stat = await readFile(`/proc/${ppid}/stat`, 'utf8')
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  // Not to be read for another reason; and not told.
  for (const thread of [`${ppid}/stat`, '']) {
    await writeFile(path, `${ppid} ${start} id ${thread} 1\n`)
    await assert.rejects(lockFile(path), LockedError, `thread '${thread}'`)
  }
  await writeFile(path, `${ppid} ${start} id ${ppid}/task/0 1\n`)
  await (await lockFile(path))()
})

test('a lock that is empty is just being written, where there are no links, and a dead one\'s after a while', async (t) => {
  const path = join(await folder(t), 'lock')
  await writeFile(path, '')
  await assert.rejects(lockFile(path), LockedError)
  const before = new Date(Date.now() - 60_000)
  await utimes(path, before, before)
  await (await lockFile(path))()
})
