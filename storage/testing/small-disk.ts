import { execFileSync } from 'node:child_process'
import type { TestContext } from 'node:test'
import { closeAfter, temporaryDirectory } from './temporary-directory.js'

/** A file system of so many MiB; null, and the test is skipped, where this process may not mount one. */
export async function smallDisk(t: TestContext, mebibytes: number): Promise<string | null> {
  const directory = await temporaryDirectory(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    t.skip('no right to mount a small file system')
    return null
  }
  closeAfter(t, { close: () => Promise.resolve(execFileSync('umount', ['-l', directory], { stdio: 'ignore' })) })
  return directory
}
