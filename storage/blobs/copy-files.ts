/** The files of blobs in a second directory, beside the first one, which stays as it is: see file-blob-store.ts and staging.ts for what is where. */
import { constants, type Dirent } from 'node:fs'
import { copyFile, link, lstat, open, readdir, realpath, symlink } from 'node:fs/promises'
import path from 'node:path'
import { makeDirectory } from '../make-directory.js'
import { syncDirectory } from '../sync-directory.js'
import { errnoOf } from './blob-error.js'

export interface CopiedFiles {
  /** It was a symbolic link to another place: so is the new one, and nothing was copied. */
  readonly isLink: boolean
  /** Files that have a second name now. */
  readonly linked: number
  readonly copied: number
}

/** What a file system says that gives a file no second name, or none there. */
const NO_LINK: ReadonlySet<unknown> = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES'])
const FOLDER_OF_OBJECTS = 'objects'
const FOLDER_OF_UPLOADS = 'uploads'

/**
 * Nobody may write to either meanwhile. Objects are never written to again, so that a second name (a hard link) is enough where the file system gives one;
 * uploads are, so they are copied. Resolves when all is on stable storage; null: there is no such directory. Rejects with the file system's error.
 */
export async function copyBlobFiles(from: string, to: string): Promise<CopiedFiles | null> {
  const stat = await lstat(from).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  })
  if (stat === null) return null
  if (stat.isSymbolicLink()) {
    await symlink(await realpath(from), to)
    await syncDirectory(path.dirname(to))
    return { isLink: true, linked: 0, copied: 0 }
  }
  const copy = new FilesCopy()
  await makeDirectory(to)
  await copy.folder(path.join(from, FOLDER_OF_OBJECTS), path.join(to, FOLDER_OF_OBJECTS), (file, target) => copy.link(file, target))
  await copy.folder(path.join(from, FOLDER_OF_UPLOADS), path.join(to, FOLDER_OF_UPLOADS), (file, target) => copy.copy(file, target))
  await syncDirectory(to)
  await syncDirectory(path.dirname(to))
  return { isLink: false, linked: copy.linked, copied: copy.copied }
}

class FilesCopy {
  linked = 0
  copied = 0

  /** Regular files, and folders with such. */
  async folder(from: string, to: string, file: (from: string, to: string) => Promise<void>): Promise<void> {
    const entries = await entriesOf(from)
    if (entries === null) return
    await makeDirectory(to)
    for (const entry of entries) {
      const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)]
      if (entry.isDirectory()) await this.folder(source, target, file)
      else if (entry.isFile()) await file(source, target)
    }
    await syncDirectory(to)
  }

  async link(from: string, to: string): Promise<void> {
    try {
      await link(from, to)
      this.linked++
    } catch (error) {
      if (!NO_LINK.has(errnoOf(error))) throw error
      await this.copy(from, to)
    }
  }

  async copy(from: string, to: string): Promise<void> {
    await copyFile(from, to, constants.COPYFILE_EXCL)
    // Windows syncs only what is open for writing.
    const handle = await open(to, 'r+')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    this.copied++
  }
}

/** null: there is no such folder. */
async function entriesOf(folder: string): Promise<Dirent[] | null> {
  return readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  })
}
