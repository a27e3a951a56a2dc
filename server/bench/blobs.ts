/** Files over HTTP: uploads, downloads beside nginx, and what the server's memory does with a hundred of the largest at once. */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Element, element } from '../../protocol/element.js'
import { RawDevice } from '../proof/raw-device.js'
import { Recorder } from '../proof/record.js'
import { HttpLoad } from './http-load.js'
import { measureStretch, memory, quiet } from './measure.js'
import { Nginx } from './nginx.js'
import type { Options } from './options.js'
import { ServerProcess } from './server-process.js'
import type { Figures } from './statistics.js'

const MIB = 1_048_576
/** Requests under way at a time. */
const CONNECTIONS = 4
/** Of the largest files, for memory. */
const AT_ONCE = 100
const LARGE_BYTES = 16 * MIB
const SAMPLE_MS = 20
const WARM_UP_MS = 1000
/** What makes a file unlike all others; the rest is the same, so that its hash is found without reading it anew. */
const TAIL_BYTES = 64

/** Files of one size, each another one. */
class Files {
  readonly #head: Buffer
  readonly #hash: ReturnType<typeof createHash>
  readonly size: number

  constructor(size: number) {
    this.size = size
    this.#head = randomBytes(size - TAIL_BYTES)
    this.#hash = createHash('sha256').update(this.#head)
  }

  next(): { readonly pieces: readonly Buffer[], readonly hash: string } {
    const tail = randomBytes(TAIL_BYTES)
    return { pieces: [this.#head, tail], hash: this.#hash.copy().update(tail).digest('hex') }
  }
}

interface Bench {
  readonly server: ServerProcess
  readonly device: RawDevice
}

async function withDevice<T>(work: (bench: Bench) => Promise<T>): Promise<T> {
  const server = await ServerProcess.start(['uploader'], { web: true })
  const device = new RawDevice({ url: `tcp://127.0.0.1:${server.port}`, user: 'uploader', device: 'bench', recorder: new Recorder('uploader', 'bench'), random: Math.random })
  try {
    device.start()
    return await work({ server, device })
  } finally {
    device.stop()
    await server.stop()
  }
}

interface Slot {
  readonly pieces: readonly Buffer[]
  readonly hash: string
  readonly url: string
  readonly token: string
}

/** One file by one PATCH; resolves with its id. */
async function upload(bench: Bench, load: HttpLoad, files: Files): Promise<string> {
  return put(load, await slotFor(bench, files))
}

async function slotFor({ device }: Bench, files: Files): Promise<Slot> {
  const { pieces, hash } = files.next()
  const answer = await device.ask(element('upload', { size: files.size, hash, type: 'application/octet-stream' }))
  const { url = '', token = '' } = attributesOf(answer)
  return { pieces, hash, url, token }
}

async function put(load: HttpLoad, { pieces, hash, url, token }: Slot): Promise<string> {
  const status = await load.send('PATCH', new URL(url).pathname, {
    'authorization': `Bearer ${token}`, 'tus-resumable': '1.0.0', 'upload-offset': '0', 'content-type': 'application/offset+octet-stream',
  }, pieces)
  if (status !== 204) throw new Error(`the upload was answered with ${status}`)
  return hash
}

async function urlOf({ device }: Bench, id: string): Promise<string> {
  const { url = '' } = attributesOf(await device.ask(element('blob-url', { id })))
  return new URL(url).pathname + new URL(url).search
}

function attributesOf(answer: Element): Record<string, string> {
  return Object.fromEntries(answer.attributes)
}

/** Keeps every connection busy for a while; a unit is a mebibyte. */
async function stretch(pid: number, seconds: number, loads: readonly HttpLoad[], work: (load: HttpLoad) => Promise<number>): Promise<{ mibPerSecond: number, cpuUsPerMib: number | null, cores: number | null }> {
  let isRunning = true
  let bytes = 0
  const busy = Promise.all(loads.map(async (load) => {
    while (isRunning) {
      // Not in one expression: that would add to what the sum was before the others were done.
      const done = await work(load)
      bytes += done
    }
  }))
  // What fails ends the bench at once.
  await Promise.race([busy, sleep(WARM_UP_MS)])
  const before = bytes
  const end = measureStretch(pid)
  await Promise.race([busy, sleep(seconds * 1000)])
  const { perSecond, serverCpuUs, serverCores } = end((bytes - before) / MIB)
  isRunning = false
  await busy
  return { mibPerSecond: perSecond, cpuUsPerMib: serverCpuUs, cores: serverCores }
}

function loadsOf(port: number): HttpLoad[] {
  return Array.from({ length: CONNECTIONS }, () => new HttpLoad('127.0.0.1', port))
}

/** Files of one size, up and down, and down from nginx, in turn. */
async function transfer(mib: number, { seconds, runs }: Options): Promise<Figures[]> {
  return withDevice(async (bench) => {
    const files = new Files(mib * MIB)
    const nginx = await Nginx.start(new Map([['file', Buffer.concat(files.next().pieces)]]))
    const figures: Figures[] = []
    const loads = loadsOf(bench.server.webPort)
    const peerLoads = nginx === null ? [] : loadsOf(nginx.port)
    const path = await urlOf(bench, await upload(bench, loads[0]!, files))
    const get = (url: string) => async (load: HttpLoad): Promise<number> => {
      const status = await load.send('GET', url)
      if (status !== 200) throw new Error(`the download was answered with ${status}`)
      return files.size
    }
    for (let run = 0; run < runs; run++) {
      const up = await stretch(bench.server.pid, seconds, loads, async (load) => {
        await upload(bench, load, files)
        return files.size
      })
      await quiet(bench.server.pid)
      const down = await stretch(bench.server.pid, seconds, loads, get(path))
      const peer = nginx === null ? null : await stretch(nginx.pid, seconds, peerLoads, get('/file'))
      figures.push({
        upMibPerSecond: up.mibPerSecond, upCpuUsPerMib: up.cpuUsPerMib, upCores: up.cores,
        downMibPerSecond: down.mibPerSecond, downCpuUsPerMib: down.cpuUsPerMib, downCores: down.cores,
        nginxMibPerSecond: peer?.mibPerSecond ?? null, nginxCpuUsPerMib: peer?.cpuUsPerMib ?? null,
        shareOfNginx: peer === null ? null : down.mibPerSecond / peer.mibPerSecond,
      })
    }
    for (const load of [...loads, ...peerLoads]) load.close()
    await nginx?.stop()
    return figures
  })
}

export function blobs1(options: Options): Promise<Figures[]> {
  return transfer(1, options)
}

export function blobs16(options: Options): Promise<Figures[]> {
  return transfer(16, options)
}

/** A hundred of the largest at once, up and then down: how far the server's memory rises. */
export async function blobsMemory({ runs }: Options): Promise<Figures[]> {
  return withDevice(async (bench) => {
    const files = new Files(LARGE_BYTES)
    const loads = Array.from({ length: AT_ONCE }, () => new HttpLoad('127.0.0.1', bench.server.webPort))
    const first = await upload(bench, loads[0]!, files)
    const figures: Figures[] = []
    for (let run = 0; run < runs; run++) {
      await quiet(bench.server.pid)
      const before = memory(bench.server.pid)?.rssBytes ?? 0
      const slots: Slot[] = []
      for (let at = 0; at < AT_ONCE; at++) slots.push(await slotFor(bench, files))
      const up = await peakOf(bench.server.pid, Promise.all(loads.map((load, at) => put(load, slots[at]!))))
      const path = await urlOf(bench, first)
      const down = await peakOf(bench.server.pid, Promise.all(loads.map((load) => load.send('GET', path))))
      figures.push({
        idleMib: before / MIB, upPeakMib: up.peak / MIB, downPeakMib: down.peak / MIB,
        upSeconds: up.seconds, downSeconds: down.seconds,
      })
    }
    for (const load of loads) load.close()
    return figures
  })
}

async function peakOf(pid: number, work: Promise<unknown>): Promise<{ peak: number, seconds: number }> {
  let peak = 0
  const startMs = performance.now()
  const sampler = setInterval(() => { peak = Math.max(peak, memory(pid)?.rssBytes ?? 0) }, SAMPLE_MS)
  try {
    await work
  } finally {
    clearInterval(sampler)
  }
  return { peak, seconds: (performance.now() - startMs) / 1000 }
}
