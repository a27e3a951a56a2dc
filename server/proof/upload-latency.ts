/** What those who chat feel of two hundred uploads at once: the time from send to delivery, quiet and beside them in turn. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Meter, median, show } from './abuse-latency.js'
import { mega } from './abuse.js'
import { Chatd } from './chatd.js'
import { RawDevice } from './raw-device.js'
import { Recorder } from './record.js'
import { seeded } from '../seeded-random.js'
import { type Scope, until } from './scope.js'
import type { UploadReport, UploadTask } from './upload-program.js'

const PROGRAM = fileURLToPath(new URL('upload-program.js', import.meta.url))
const UPLOADS = 200
const UPLOAD_BYTES = 4 * 1024 * 1024
const MEASURE_MS = 8000
const SETTLE_MS = 4000

export interface UploadLatencyOptions {
  /** Pairs of people who chat. */
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

/** Prints the quantiles of each phase and the ratio of the medians. Not a test: it needs a machine with nothing else to do. */
export async function uploadLatency(scope: Scope, { clients, rounds, seed }: UploadLatencyOptions): Promise<{ ratio: number }> {
  const users = Array.from({ length: clients * 2 }, (_, at) => `user-${at}`)
  const uploaders = Array.from({ length: UPLOADS }, (_, at) => `uploader-${at}`)
  const chatd = await Chatd.start(scope, [...users, ...uploaders], { settings: { CHATD_LOG_LEVEL: 'warn' } })
  const meter = new Meter()
  const random = seeded(seed)
  const devices = users.map((user, at) => new RawDevice({
    url: at % 4 < 2 ? chatd.tcp : chatd.ws, user, device: 'phone', recorder: new Recorder(user, 'phone'), random, readShare: 0,
    onMessage: (text) => { meter.arrived(text) },
  }))
  scope.after(() => { for (const device of devices) device.stop() })
  for (const device of devices) device.start()
  await until('all to be online', () => devices.every((device) => device.isOnline))
  await meter.measure(devices, SETTLE_MS)
  const quiet: number[] = []
  const busy: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const before = await meter.measure(devices, MEASURE_MS)
    const uploads = new Uploads(scope, { urls: [chatd.tcp, chatd.ws], users: uploaders, bytes: UPLOAD_BYTES, seed: seed + round })
    await meter.measure(devices, SETTLE_MS)
    const { taken } = uploads.report
    const beside = await meter.measure(devices, MEASURE_MS)
    scope.note(`quiet ${show(before)}; beside ${UPLOADS} uploads ${show(beside)}, ${mega((uploads.report.taken - taken) * 1000 / MEASURE_MS)}/s, `
      + `${uploads.report.failures} failures; server ${mega(chatd.residentBytes)}`)
    uploads.stop()
    quiet.push(before.p99)
    busy.push(beside.p99)
    await meter.measure(devices, SETTLE_MS)
  }
  const ratio = median(busy) / median(quiet)
  scope.note(`p99 of who chats, medians of ${rounds} rounds: quiet ${median(quiet).toFixed(2)} ms, beside uploads ${median(busy).toFixed(2)} ms, ratio ${ratio.toFixed(2)}`)
  return { ratio }
}

class Uploads {
  readonly #child: ChildProcess
  report: UploadReport = { taken: 0, failures: 0 }

  constructor(scope: Scope, task: UploadTask) {
    this.#child = spawn(process.execPath, [PROGRAM, JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#child.on('message', (report: UploadReport) => { this.report = report })
    scope.after(() => { this.stop() })
  }

  stop(): void { this.#child.kill('SIGKILL') }
}
