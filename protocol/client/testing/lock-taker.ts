/**
 * Takes the lock of a directory and gives it back, again and again, and finds out whether somebody else has it at the same time.
 *
 * `node lock-taker.js DIRECTORY TIMES DIES`: where DIES is `dies` it kills itself the last time, with the lock.
 */
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { LockedError, lockFile } from '../file-lock-node.js'

const [directory = '', times = '', dies = ''] = process.argv.slice(2)
/** Names who has the lock, as those who have it say. */
const WITNESS = join(directory, 'witness')

async function lock(): Promise<() => Promise<void>> {
  for (;;) {
    try {
      return await lockFile(join(directory, 'lock'))
    } catch (error) {
      if (!(error instanceof LockedError)) throw error
      await turn()
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function bearWitness(): Promise<void> {
  const other = Number(await readFile(WITNESS, 'utf8').catch(() => '0'))
  assert.ok(other === 0 || !isAlive(other), `process ${other} has the lock, too`)
  await writeFile(WITNESS, String(process.pid))
  await turn()
  assert.equal(Number(await readFile(WITNESS, 'utf8')), process.pid, 'another process took the lock')
}

for (let left = Number(times); left > 0; left--) {
  const unlock = await lock()
  await bearWitness()
  if (left === 1 && dies === 'dies') process.kill(process.pid, 'SIGKILL')
  await rm(WITNESS)
  await unlock()
}
