/** The process of those who upload, so that what they cost themselves is not in the way of those who measure. Reports over IPC, until killed. */
import { runWhenIdle } from '../process/priority.js'
import { seeded } from '../testing/seeded-random.js'
import { BlobUser } from './blob-user.js'

export interface UploadTask {
  readonly urls: readonly string[]
  readonly users: readonly string[]
  readonly bytes: number
  readonly seed: number
}

export interface UploadReport {
  /** By user: bytes of all pieces. Many large files at once are complete long after that, and all together. */
  readonly sent: readonly number[]
  readonly failures: number
  /** They take no time that anybody else wants; false: they have the lowest priority, and whoever measures waits for their slices. */
  readonly isIdle: boolean
}

const REPORT_MS = 200

function run({ urls, users, bytes, seed }: UploadTask): void {
  // They have machines of their own: here they get the time that nobody else wants.
  const isIdle = runWhenIdle()
  const random = seeded(seed)
  const all = users.map((user, at) => new BlobUser(urls[at % urls.length]!, user, random))
  for (const user of all) {
    user.device.start()
    void keepUploading(user, bytes, random)
  }
  setInterval(() => process.send?.({
    sent: all.map(({ sent }) => sent), failures: all.reduce((sum, { failures }) => sum + failures, 0), isIdle,
  } satisfies UploadReport), REPORT_MS)
  process.on('disconnect', () => { process.exit(0) })
}

async function keepUploading(user: BlobUser, size: number, random: () => number): Promise<void> {
  // One for all that this user uploads: new ones would have this process collect garbage most of the time, on the cores of the server.
  const bytes = Buffer.alloc(size)
  for (;;) {
    for (let at = 0; at + 4 <= size; at += 4096) bytes.writeUInt32LE(Math.floor(random() * 0x1_0000_0000), at)
    await user.upload(bytes)
  }
}

if (process.argv[2] !== undefined && process.argv[1]?.endsWith('upload-program.js') === true) run(JSON.parse(process.argv[2]) as UploadTask)
