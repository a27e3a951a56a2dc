import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'

// node:test runs its hooks in the order of their registration, so that closing has to come into the hook that removes.
const toClose = new WeakMap<TestContext, { close(): Promise<unknown> }[]>()

/** A new directory that goes away with the test, behind everything given to `closeAfter`. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'chatd-storage-'))
  const closables: { close(): Promise<unknown> }[] = []
  toClose.set(t, closables)
  t.after(async () => {
    try {
      for (const closable of closables.reverse()) await closable.close()
    } finally {
      await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    }
  })
  return directory
}

/** Closes it when the test ends, the last first, before the test's temporary directory goes. */
export function closeAfter<T extends { close(): Promise<unknown> }>(t: TestContext, closable: T): T {
  const closables = toClose.get(t)
  if (closables === undefined) throw new TypeError('the test has no temporary directory')
  closables.push(closable)
  return closable
}
