/**
 * Blobs as files:
 *
 *     <directory>/objects/ab/cd/abcd…   one for each object, in two levels of 256 folders, so that none grows without bound
 *     <directory>/tmp/                  copies that are not finished; emptied at the start
 *
 * An object gets its name in one step, when its file is on stable storage: half of one is never visible. A second name beside the first
 * (a link) would replace nothing, but a crash could leave both, and who goes on writing under the one would change the other. `directory` itself may be a symbolic link; nothing below it is followed.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import type { Dirent } from 'node:fs'
import { chmod, copyFile, lstat, mkdir, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { makeDirectory } from '../make-directory.js'
import { syncDirectory } from '../sync-directory.js'
import { errnoOf, toBlobError } from './blob-error.js'
import { BlobError, assertBlobName, assertByteRange, isBlobName } from './blob-store.js'
import type { BlobStore, StoredBlob } from './blob-store.js'
import { openRegularFile, readFileRange, recycleChunk } from './file-range.js'
import { inSyncTurn } from './sync-turn.js'

const HEX_PAIR = /^[0-9a-f]{2}$/

export class FileBlobStore implements BlobStore {
  readonly name = 'file'
  readonly #objects: string
  readonly #temporary: string
  // Folders known to be there, no links, and on stable storage: at most 256 + 65,536 short strings, and a put makes them only once.
  readonly #folders = new Set<string>()
  readonly #writing = new Set<Promise<void>>()
  #closed = false

  private constructor(directory: string) {
    this.#objects = path.join(directory, 'objects')
    this.#temporary = path.join(directory, 'tmp')
  }

  /** Makes the directory where it is missing. One process has it at a time: what an earlier one has not finished is removed. */
  static async open(directory: string): Promise<FileBlobStore> {
    const store = new FileBlobStore(path.resolve(directory))
    try {
      await makeDirectory(path.resolve(directory))
      for (const folder of [store.#objects, store.#temporary]) await makeFolder(folder)
      await syncDirectory(directory)
      // Where it was just made, if the directory above can be opened at all.
      await syncDirectory(path.dirname(path.resolve(directory))).catch(() => undefined)
      for (const left of await readdir(store.#temporary)) await rm(path.join(store.#temporary, left), { recursive: true, force: true })
    } catch (error) {
      throw toBlobError(error, `the blob directory ${directory} cannot be opened`)
    }
    return store
  }

  async put(name: string, file: string, size: number): Promise<void> {
    assertBlobName(name)
    await this.#write(`the blob ${name} could not be stored`, () => this.#put(name, file, size))
  }

  async read(name: string, start: number, end: number): Promise<Readable> {
    assertBlobName(name)
    assertByteRange(start, end)
    this.#assertOpen()
    const doing = `the blob ${name} could not be read`
    await this.#assertFolders(name, doing)
    return readFileRange(this.#path(name), start, end, doing)
  }

  recycle(chunk: Uint8Array): void {
    recycleChunk(chunk)
  }

  async stat(name: string): Promise<number | null> {
    assertBlobName(name)
    this.#assertOpen()
    try {
      return (await this.#lookUp(name))?.size ?? null
    } catch (error) {
      throw toBlobError(error, `the blob ${name} could not be looked up`)
    }
  }

  async delete(name: string): Promise<void> {
    assertBlobName(name)
    await this.#write(`the blob ${name} could not be deleted`, async () => {
      if (await this.#lookUp(name) === null) return
      await unlink(this.#path(name)).catch(unlessMissing)
      await syncDirectory(path.dirname(this.#path(name)))
    })
  }

  async* list(after: string): AsyncGenerator<StoredBlob> {
    this.#assertOpen()
    try {
      for (const first of await foldersOf(this.#objects, after.slice(0, 2))) {
        const folder = path.join(this.#objects, first)
        for (const second of await foldersOf(folder, after.startsWith(first) ? after.slice(2, 4) : '')) {
          yield* this.#listFolder(path.join(folder, second), first + second, after)
        }
      }
    } catch (error) {
      throw toBlobError(error, 'the blobs could not be listed')
    }
  }

  async check(): Promise<void> {
    await this.#write('the blob directory cannot be used', async () => {
      for (const entry of await readdir(this.#objects, { withFileTypes: true })) {
        if (HEX_PAIR.test(entry.name) && !entry.isDirectory()) throw noFolder(path.join(this.#objects, entry.name))
      }
      // The way of a put, with a name that no object has.
      const probe = path.join(this.#temporary, 'probe')
      const target = path.join(this.#objects, 'probe')
      const text = randomBytes(16).toString('hex')
      await rm(target, { force: true })
      const handle = await open(probe, 'w', 0o600)
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(probe, target)
      if (await readFile(target, 'utf8') !== text) throw new BlobError('damaged', `${target} does not hold what was just written to it`)
      await unlink(target)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#writing)
  }

  async #put(name: string, file: string, size: number): Promise<void> {
    const target = this.#path(name)
    const source = await openRegularFile(file).catch(unlessMissing)
    if (source === undefined) {
      // An earlier attempt may have got as far as to take the file away.
      if ((await this.#lookUp(name))?.size !== size) throw new BlobError('internal', `${file} is not there to be stored as a blob`)
      await this.#makeFolders(name)
      await syncDirectory(path.dirname(target))
      return
    }
    await source.handle.close()
    if (source.size !== size) throw new BlobError('damaged', `${file} has ${source.size} bytes, not ${size}`)
    await syncFile(file)
    await this.#makeFolders(name)
    // One of another size was damaged later, and these are its bytes.
    if ((await this.#lookUp(name))?.size !== size) {
      await this.#move(file, target)
      return
    }
    // Changes nothing but its time: it counts as stored now.
    await chmod(target, 0o600).catch(() => undefined)
    await syncDirectory(path.dirname(target))
    await unlink(file)
  }

  /** Gives a synced file its name, in one step; by way of a copy where it lies on another file system. */
  async #move(file: string, target: string): Promise<void> {
    try {
      await rename(file, target)
      await inSyncTurn(() => syncDirectory(path.dirname(target)))
      return
    } catch (error) {
      if (errnoOf(error) !== 'EXDEV') throw error
    }
    const copy = path.join(this.#temporary, randomBytes(16).toString('hex'))
    try {
      await copyFile(file, copy, constants.COPYFILE_EXCL)
      await syncFile(copy)
      await rename(copy, target)
    } catch (error) {
      await rm(copy, { force: true })
      throw error
    }
    await syncDirectory(path.dirname(target))
    await unlink(file)
  }

  async #makeFolders(name: string): Promise<void> {
    const first = path.join(this.#objects, name.slice(0, 2))
    const second = path.join(first, name.slice(2, 4))
    if (this.#folders.has(second)) {
      if (await lstat(second).catch(unlessMissing) !== undefined) return
      // Somebody has tidied up.
      this.#folders.delete(first)
      this.#folders.delete(second)
    }
    for (const folder of [first, second]) {
      if (this.#folders.has(folder)) continue
      await makeFolder(folder)
      // Also where it was there: an earlier process may have made it and died before this.
      await syncDirectory(path.dirname(folder))
      this.#folders.add(folder)
    }
  }

  /** Refuses to go through links in place of folders. That they are missing is for others to find. */
  async #assertFolders(name: string, doing: string): Promise<void> {
    const second = path.dirname(this.#path(name))
    if (this.#folders.has(second)) return
    try {
      for (const folder of [path.dirname(second), second]) {
        if (!(await lstat(folder)).isDirectory()) throw noFolder(folder)
      }
    } catch (error) {
      throw toBlobError(error, doing)
    }
  }

  async #lookUp(name: string): Promise<{ size: number } | null> {
    try {
      await this.#assertFolders(name, 'a blob could not be looked up')
      const stat = await lstat(this.#path(name))
      if (!stat.isFile()) throw new BlobError('denied', `${this.#path(name)} is not a regular file; remove it`)
      return { size: stat.size }
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'not-found') return null
      throw error
    }
  }

  async* #listFolder(folder: string, beginning: string, after: string): AsyncGenerator<StoredBlob> {
    const names = (await entriesOf(folder)).filter((entry) => entry.isFile() && isBlobName(entry.name))
      .map((entry) => entry.name).filter((name) => name.startsWith(beginning) && name > after).sort()
    for (const name of names) {
      const stat = await lstat(path.join(folder, name)).catch(unlessMissing)
      if (stat?.isFile() === true) yield { name, size: stat.size, modifiedMs: Math.floor(stat.ctimeMs) }
    }
  }

  #path(name: string): string {
    return path.join(this.#objects, name.slice(0, 2), name.slice(2, 4), name)
  }

  /** Does what changes files, so that `close` can wait for it. */
  async #write(doing: string, work: () => Promise<void>): Promise<void> {
    this.#assertOpen()
    const working = work().catch((error: unknown) => { throw toBlobError(error, doing) })
    this.#writing.add(working)
    try {
      await working
    } finally {
      this.#writing.delete(working)
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new BlobError('unavailable', 'the blob store is closed')
  }
}

async function syncFile(file: string): Promise<void> {
  // Windows syncs only what is open for writing.
  const handle = await open(file, 'r+')
  try {
    // Some file systems know no permissions; the folders are for the owner alone anyway.
    await handle.chmod(0o600).catch(() => undefined)
    // Bytes and size. All else would cost a commit of the file system's journal, which everybody waits for who syncs.
    await inSyncTurn(() => handle.datasync())
  } finally {
    await handle.close()
  }
}

/** A folder for the owner alone; what stands there already has to be one, and no link to one. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    if (!(await lstat(folder)).isDirectory()) throw noFolder(folder)
  }
}

/** Names of the folders of two hex digits from `from` on, in order; none where the directory is gone. */
async function foldersOf(directory: string, from: string): Promise<string[]> {
  return (await entriesOf(directory)).filter((entry) => entry.isDirectory() && HEX_PAIR.test(entry.name))
    .map((entry) => entry.name).filter((name) => name >= from).sort()
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  return await readdir(directory, { withFileTypes: true }).catch(unlessMissing) ?? []
}

function noFolder(folder: string): BlobError {
  return new BlobError('denied', `${folder} has to be a folder, and is a symbolic link or a file; remove it`)
}

function unlessMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
  return undefined
}
