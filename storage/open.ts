/**
 * The data directory: which engine it holds, in which format, and who has it open.
 *
 *     DIR/store.json            format, engine, id: written last, once the engine's files are there
 *     DIR/rocksdb/, DIR/leveldb/  the engine's files, with its own LOCK, which dies with its process
 *     DIR/shards.json           or that there are several, each in a directory of its own, see shards-file.ts
 *     DIR/split-unfinished      that it is not whole yet, see unfinished.ts
 *     DIR/holder.json           the process that opened it last; only ever used to name it, never trusted
 */
import { randomUUID } from 'node:crypto'
import { readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { COPY_MARK } from './copy-mark.js'
import { StorageError } from './engine.js'
import type { Engine } from './engine.js'
import { everything } from './owner-keys.js'
import { LevelEngine, loadLevel } from './level-engine.js'
import type { LevelModule } from './level-engine.js'
import { checkLogs } from './log-check.js'
import { makeDirectory } from './make-directory.js'
import { METADATA_FILE, readMetadata, STORE_FORMAT, writeMetadata } from './metadata.js'
import type { EngineName, StoreMetadata } from './metadata.js'
import { loadRocks } from './rocks-binding.js'
import type { RocksModule } from './rocks-binding.js'
import { RocksEngine } from './rocks-engine.js'
import { readShardCount } from './shards-file.js'
import { toStorageError } from './storage-error.js'
import { refuseUnfinished } from './unfinished.js'

export { STORE_FORMAT }

const HOLDER_FILE = 'holder.json'

// File locks belong to a process, and LevelDB drops its own when it is opened a second time in the same one.
const openHere = new Set<string>()

export interface OpenOptions {
  /** The data directory; made, for its owner alone, when `create` is set and it is missing. */
  readonly directory: string
  /** 'auto': what the directory holds; for a new one RocksDB where its binary loads, otherwise LevelDB. */
  readonly engine: 'auto' | EngineName
  /** Whether a directory without a store gets one; otherwise that is refused with 'not-found'. */
  readonly create: boolean
  /** For who fills it, and has marked it: see unfinished.ts. Otherwise that is refused with 'corrupt'. */
  readonly isUnfinished?: boolean
}

/** How the engines' packages are loaded; tests put others in their place. */
export interface EngineLoaders {
  readonly rocksdb: () => Promise<RocksModule>
  readonly leveldb: () => Promise<LevelModule>
}

const LOADERS: EngineLoaders = { rocksdb: loadRocks, leveldb: loadLevel }

/**
 * Opens the store of a data directory, which then belongs to this process until `close` or its death, however it dies.
 *
 * Rejects with a StorageError whose message tells the operator what to do: 'not-found', 'locked', 'wrong-engine', 'several-shards', 'newer-format',
 * 'disk-full', 'read-only', 'corrupt', 'engine-unavailable' or 'io'.
 */
export async function openEngine(options: OpenOptions, loaders: EngineLoaders = LOADERS): Promise<Engine> {
  const directory = path.resolve(options.directory)
  try {
    if (options.isUnfinished !== true) await refuseUnfinished(directory)
    const metadata = await readMetadata(directory)
    if (metadata !== null) return await openExisting(directory, metadata, options.engine, loaders)
    const shards = await readShardCount(directory)
    if (shards !== null) throw new StorageError('several-shards', `${directory} holds the data of ${String(shards)} shards, each in a directory of its own`)
    if (!options.create) return await refuseMissing(directory, loaders)
    return await createStore(directory, options.engine, loaders)
  } catch (error) {
    throw toStorageError(error, `cannot open the store in ${directory}`)
  }
}

async function openExisting(
  directory: string, metadata: StoreMetadata, wanted: OpenOptions['engine'], loaders: EngineLoaders,
): Promise<Engine> {
  const { engine: name } = metadata
  if (wanted !== 'auto' && wanted !== name) {
    throw new StorageError('wrong-engine', `${directory} holds a ${name} store, not ${wanted}; open it with engine "${name}" or ` +
      `"auto", or copy its data into a new directory`)
  }
  if (!await exists(enginePath(directory, name, 'CURRENT'))) {
    throw new StorageError('corrupt', `${enginePath(directory, name)} lacks its files though ${METADATA_FILE} says that it holds the ` +
      `store; restore the whole of ${directory} from a backup`)
  }
  // Before the engine has its lock: it takes that by opening, which drops what is damaged.
  await checkLogsOf(directory, name, loaders)
  const engine = await openNamed(directory, name, false, loaders)
  await closeUnless(engine, async () => {
    if (await engine.get(COPY_MARK) !== undefined) {
      throw new StorageError('corrupt', `copying into ${directory} was not finished; remove it and copy again`)
    }
    // Before the first row that an older program would take for damaged.
    if (metadata.format < STORE_FORMAT) await writeMetadata(directory, { ...metadata, format: STORE_FORMAT })
  })
  return engine
}

async function checkLogsOf(directory: string, name: EngineName, loaders: EngineLoaders): Promise<void> {
  const files = enginePath(directory, name)
  try {
    await checkLogs(files)
  } catch (error) {
    const told = await unlessHeld(directory, name, loaders, error)
    if (told !== error) throw told
    // Whoever was writing it may have closed the store since.
    await checkLogs(files)
  }
}

async function createStore(directory: string, wanted: OpenOptions['engine'], loaders: EngineLoaders): Promise<Engine> {
  const name = wanted === 'auto' ? await preferredEngine(loaders) : wanted
  for (const other of ['rocksdb', 'leveldb'] as const) {
    if (other !== name) await refuseOrphan(directory, other, loaders)
  }
  await makeDirectory(directory)
  const engine = await openNamed(directory, name, true, loaders)
  await closeUnless(engine, async () => {
    if (await readMetadata(directory) !== null) throw justCreated(directory)
    // Files without metadata are a creation that was interrupted, as long as they are empty.
    if ((await engine.range({ ...everything(), limit: 1 })).length > 0) throw metadataMissing(directory, name)
    const metadata = { format: STORE_FORMAT, engine: name, id: randomUUID(), created: new Date().toISOString() }
    await writeMetadata(directory, metadata)
    const stored = await readMetadata(directory)
    // Two processes may create two engines at once, each behind a lock of its own; the last metadata counts.
    if (stored?.id !== metadata.id) throw justCreated(directory)
  })
  return engine
}

async function refuseMissing(directory: string, loaders: EngineLoaders): Promise<never> {
  for (const name of ['rocksdb', 'leveldb'] as const) await refuseOrphan(directory, name, loaders)
  throw new StorageError('not-found', `there is no store in ${directory}; start the server with this data directory to create one, or ` +
    'check the path')
}

/** An engine's files that no metadata speak of: another process is about to write these, or they are lost. */
async function refuseOrphan(directory: string, name: EngineName, loaders: EngineLoaders): Promise<void> {
  if (!await exists(enginePath(directory, name, 'CURRENT'))) return
  const error = await unlessHeld(directory, name, loaders, metadataMissing(directory, name))
  throw await readMetadata(directory) === null ? error : justCreated(directory)
}

/** `error`, or that another process has the store: what looks like damage may be what that one is writing. */
async function unlessHeld(directory: string, name: EngineName, loaders: EngineLoaders, error: unknown): Promise<unknown> {
  const isHeld = openHere.has(await realpath(directory)) || await isHeldElsewhere(directory, name, loaders)
  return isHeld ? new StorageError('locked', await lockedText(directory)) : error
}

async function isHeldElsewhere(directory: string, name: EngineName, loaders: EngineLoaders): Promise<boolean> {
  const files = enginePath(directory, name)
  try {
    return name === 'rocksdb' ? await RocksEngine.isHeld(await loaders.rocksdb(), files) : await LevelEngine.isHeld(await loaders.leveldb(), files)
  } catch {
    // The engine does not load on this machine: nothing is known but what was seen.
    return false
  }
}

async function openNamed(directory: string, name: EngineName, create: boolean, loaders: EngineLoaders): Promise<Engine> {
  const files = {
    create,
    beforeClose: () => rm(path.join(directory, HOLDER_FILE), { force: true }).catch(() => undefined),
    afterClose: () => { openHere.delete(held) },
  }
  const held = await realpath(directory)
  if (openHere.has(held)) throw new StorageError('locked', `${directory} is open in this process (pid ${process.pid}) already`)
  openHere.add(held)
  try {
    const engine = name === 'rocksdb'
      ? await RocksEngine.open(await loaders.rocksdb(), enginePath(directory, name), files)
      : await LevelEngine.open(await loaders.leveldb(), enginePath(directory, name), files)
    // A courtesy to whoever finds the store locked; the lock itself is the engine's.
    await writeFile(path.join(directory, HOLDER_FILE), JSON.stringify({ pid: process.pid }) + '\n').catch(() => undefined)
    return engine
  } catch (cause) {
    openHere.delete(held)
    const error = toStorageError(cause, `cannot open the ${name} store in ${directory}`)
    if (error.code === 'locked') throw new StorageError('locked', await lockedText(directory), { cause })
    if (error.code !== 'engine-unavailable' || create) throw error
    throw new StorageError('engine-unavailable', `${directory} holds a ${name} store, which this machine cannot open: install the ` +
      `optional package of ${name}, or copy the data into a ${name === 'rocksdb' ? 'leveldb' : 'rocksdb'} store on a machine that ` +
      `can (${error.message})`, { cause })
  }
}

async function preferredEngine(loaders: EngineLoaders): Promise<EngineName> {
  try {
    await loaders.rocksdb()
    return 'rocksdb'
  } catch {
    return 'leveldb'
  }
}

async function lockedText(directory: string): Promise<string> {
  const pid = await holderPid(directory)
  const holder = pid === null ? 'another process' : `the process with pid ${pid}`
  return `${directory} is in use by ${holder}; stop it first, or use another data directory`
}

/** The process named by the holder file, if it lives: the file outlives a process that was killed. */
async function holderPid(directory: string): Promise<number | null> {
  try {
    const { pid } = JSON.parse(await readFile(path.join(directory, HOLDER_FILE), 'utf8')) as { pid?: unknown }
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return null
    process.kill(pid, 0)
    return pid
  } catch {
    return null
  }
}

function justCreated(directory: string): StorageError {
  return new StorageError('locked', `another process has just created a store in ${directory}; try again`)
}

function metadataMissing(directory: string, name: EngineName): StorageError {
  return new StorageError('corrupt', `${directory} has the files of a ${name} store but no ${METADATA_FILE}; restore that file from a ` +
    `backup, or remove ${enginePath(directory, name)} if its data are not needed`)
}

/** Runs the check; an engine that fails it is closed again. */
async function closeUnless(engine: Engine, check: () => Promise<void>): Promise<void> {
  try {
    await check()
  } catch (error) {
    await engine.close().catch(() => undefined)
    throw error
  }
}

function enginePath(directory: string, name: EngineName, ...rest: string[]): string {
  return path.join(directory, name, ...rest)
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return false
    throw error
  }
}
