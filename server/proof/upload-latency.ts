/** What those who chat feel of two hundred uploads at once: the time from send to delivery, quiet and beside them in turn. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { mega } from './abuse.js'
import { Chatd } from './chatd.js'
import { Chatting, chattingUsers, MEASURE_MS, median, show } from './chatting.js'
import { seeded } from '../testing/seeded-random.js'
import type { Scope } from './scope.js'
import type { UploadReport, UploadTask } from './upload-program.js'

const PROGRAM = fileURLToPath(new URL('upload-program.js', import.meta.url))
/** Those who upload have machines of their own; here they are to have no threads beside the one that they need. */
const COLLECTOR = '--single-threaded-gc'
const UPLOADS = 200
const UPLOAD_BYTES = 4 * 1024 * 1024

export interface UploadLatencyOptions {
  /** Pairs of people who chat. */
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

/** Prints the quantiles of each phase and the ratio of the medians. Not a test: it needs a machine with nothing else to do. */
export async function uploadLatency(scope: Scope, { clients, rounds, seed }: UploadLatencyOptions): Promise<{ ratio: number }> {
  const users = chattingUsers(clients)
  const uploaders = Array.from({ length: UPLOADS }, (_, at) => `uploader-${at}`)
  const chatd = await Chatd.start(scope, [...users, ...uploaders], { settings: { CHATD_LOG_LEVEL: 'warn' } })
  const chatting = await Chatting.start(scope, chatd, users, seeded(seed))
  const quiet: number[] = []
  const busy: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const before = await chatting.measure()
    const uploads = new Uploads(scope, { urls: [chatd.tcp, chatd.ws], users: uploaders, bytes: UPLOAD_BYTES, seed: seed + round })
    await uploads.begun
    await chatting.settle()
    const { sent } = uploads.report
    const beside = await chatting.measure()
    const { failures, isIdle } = uploads.report
    const progress = uploads.report.sent.map((bytes, at) => bytes - sent[at]!).sort((a, b) => a - b)
    scope.note(`quiet ${show(before)}; beside ${UPLOADS} uploads ${show(beside)}, ${mega(total(progress) * 1000 / MEASURE_MS)}/s, `
      + `each ${kilo(progress[0]!)} to ${kilo(progress.at(-1)!)}, ${failures} failures; server ${mega(chatd.residentBytes)}`)
    if (!isIdle) scope.note('those who upload hold up those who chat: there is no chrt here that would keep them from it')
    assert.ok(progress[0]! > 0, 'an upload stood still')
    uploads.stop()
    quiet.push(before.p99)
    busy.push(beside.p99)
    await chatting.settle()
  }
  const ratio = median(busy) / median(quiet)
  scope.note(`p99 of who chats, medians of ${rounds} rounds: quiet ${median(quiet).toFixed(2)} ms, beside uploads ${median(busy).toFixed(2)} ms, ratio ${ratio.toFixed(2)}`)
  return { ratio }
}

class Uploads {
  readonly #child: ChildProcess
  report: UploadReport = { sent: [], failures: 0, isIdle: true }
  /** All are under way. */
  readonly begun: Promise<void>

  constructor(scope: Scope, task: UploadTask) {
    this.#child = spawn(process.execPath, [COLLECTOR, PROGRAM, JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.begun = new Promise((resolve) => {
      this.#child.on('message', (report: UploadReport) => {
        this.report = report
        if (report.sent.every((bytes) => bytes > 0)) resolve()
      })
    })
    scope.after(() => { this.stop() })
  }

  stop(): void { this.#child.kill('SIGKILL') }
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

function kilo(bytes: number): string {
  return `${(bytes / 1024).toFixed(0)} KiB`
}
