/** A store that fails in full work: by an error of fsync, of a read, or because the disk is full. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Chatd } from './chatd.js'
import type { Findings } from './checker.js'
import { type EngineFault, FailingEngine } from './failing-engine.js'
import { InProcess } from './in-process.js'
import { judge, placesFor, Population, summary, usersOf } from './population.js'
import { delay, type Scope, until } from './scope.js'

const FAULTS: readonly EngineFault[] = ['lost', 'stored', 'read']
/** What the log says, whatever else is in the line. */
const FAILED = 'storage-failed'
const BACK = 'storage-back'

export interface StoreFaultsOptions {
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

/** In each round one call of the engine fails with EIO, and up to two attempts to open it again. */
export async function commitErrors(scope: Scope, { clients, rounds, seed }: StoreFaultsOptions): Promise<Findings> {
  const places = placesFor(clients)
  const engines: FailingEngine[] = []
  const server = await InProcess.start(scope, usersOf(places), { wrapEngine: (engine) => {
    const failing = new FailingEngine(engine)
    engines.push(failing)
    return failing
  } })
  const population = new Population({ places, urls: [server.tcp, server.ws], seed })
  scope.after(() => { population.stop() })
  await population.connect()
  population.talk()
  const [engine] = engines
  assert.ok(engine !== undefined)
  for (let round = 0; round < rounds; round++) {
    await population.untilAcked(60)
    const fault = FAULTS[round % FAULTS.length]!
    const from = server.log.length
    const { struck } = engine
    engine.arm(fault, Math.floor(population.random() * 3))
    if (fault === 'read') {
      // Who comes back has something read for him.
      for (const device of population.devices) {
        device.stop()
        device.start()
      }
      await until('a read to fail', () => engine.struck > struck)
    } else {
      const line = await server.untilLogged(FAILED, from)
      assert.equal(line.level, 'error')
      assert.match(JSON.stringify(Object.values(line.fields).map((value) => value instanceof Error ? value.message : value)), /EIO/)
      await server.untilLogged(BACK, from)
    }
    await population.untilAcked(20)
    scope.note(`fault '${fault}': failed and back after ${population.acks} acks`)
  }
  await population.settle()
  const findings = await judge(population.logs, server.tcp, population.users)
  scope.note(`${rounds} faults of the store: ${summary(findings)}`)
  return findings
}

const DISK_MEGABYTES = 64

/** A file system of its own that can be filled; null where this user may not mount one. */
export function mountSmallDisk(scope: Scope): string | null {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-proof-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MEGABYTES}m`, 'tmpfs', directory])
  scope.after(() => {
    if (mounted.status === 0) spawnSync('umount', ['-l', directory])
    rmSync(directory, { recursive: true, force: true })
  })
  return mounted.status === 0 ? directory : null
}

/**
 * The disk fills up under load, stays full for a while, and has space again: in each round once while the server runs through it, and in
 * every second one it is killed and started while there is none.
 */
export async function diskFull(
  scope: Scope, disk: string, { clients, rounds, seed }: StoreFaultsOptions, engine: 'auto' | 'leveldb' = 'auto',
): Promise<Findings> {
  const places = placesFor(clients)
  const chatd = await Chatd.start(scope, usersOf(places), { directory: join(disk, 'server'), settings: { CHATD_DATA_ENGINE: engine } })
  // Long texts, since RocksDB writes for a while into space that it has set aside.
  const population = new Population({ places, urls: [chatd.tcp, chatd.ws], seed, pauseMs: 5, paddedShare: 1 })
  scope.after(() => { population.stop() })
  await population.connect()
  population.talk()
  for (let round = 1; round <= rounds; round++) {
    await population.untilAcked(50)
    const from = chatd.log.length
    const filler = join(disk, 'filler')
    await untilFull(chatd, filler, from)
    const failed = chatd.log.slice(from).find((line) => line.event === FAILED)
    assert.ok(failed !== undefined)
    assert.equal(failed.level, 'error')
    assert.match(JSON.stringify(failed), /disk-full|no space left/i)
    let how = 'it went on by itself'
    if (round % 2 === 0) {
      await chatd.kill()
      how = await chatd.restart().then(() => 'killed and started while it was full', (error: unknown) => {
        // The one line for the operator.
        assert.match(String(error), /no space left on the disk of the data directory; free some/)
        return 'killed, refused to start while it was full, started afterwards'
      })
    }
    const { acks } = population
    unlinkSync(filler)
    if (!chatd.isRunning) await chatd.restart()
    await population.untilAcked(50)
    scope.note(`disk full for the ${round}. time after ${acks} acks: ${how}; ${chatd.log.slice(from).filter((line) => line.event === FAILED).length} failures logged`)
  }
  await population.settle()
  const findings = await judge(population.logs, chatd.tcp, population.users)
  scope.note(`the disk was full ${rounds} times: ${summary(findings)}`)
  return findings
}

/** Takes every free byte, and again what the store gives free, until a commit has failed and no space is left. */
async function untilFull(chatd: Chatd, filler: string, from: number): Promise<void> {
  const file = openSync(filler, 'a')
  try {
    await until('a commit to fail for want of space', () => {
      for (const size of [1 << 20, 1 << 12, 1]) {
        const bytes = Buffer.alloc(size)
        try {
          for (;;) writeSync(file, bytes)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      }
      return chatd.log.slice(from).some((line) => line.event === FAILED)
    })
    await delay(300)
  } finally {
    closeSync(file)
  }
}
