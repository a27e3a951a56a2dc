/**
 * The file that stands in a data directory while a split fills it. Whoever is killed meanwhile leaves what would be taken for a new directory, or for one
 * that is whole: while the file is there nobody opens it.
 */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { StorageError } from './engine.js'
import { readSmallFile, writeSmallFile } from './small-file.js'
import { syncDirectory } from './sync-directory.js'

const UNFINISHED_FILE = 'split-unfinished'

/** Before anything else is put into the directory; on stable storage when the promise resolves. Rejects with the error of node:fs. */
export async function markUnfinished(directory: string): Promise<void> {
  await writeSmallFile(path.join(directory, UNFINISHED_FILE), 'A split fills this directory. Where none runs, remove all of it, and split again.\n')
}

/** When all of it is on stable storage; so is this when the promise resolves. Rejects with the error of node:fs. */
export async function markFinished(directory: string): Promise<void> {
  await rm(path.join(directory, UNFINISHED_FILE))
  await syncDirectory(directory)
}

/** Rejects with a StorageError 'corrupt' where the directory has the file, and with the error of node:fs where that can't be said. */
export async function refuseUnfinished(directory: string): Promise<void> {
  if (await readSmallFile(path.join(directory, UNFINISHED_FILE)) === null) return
  throw new StorageError('corrupt', `a split into ${directory} was not finished: remove it, and split again`)
}
