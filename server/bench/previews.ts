/**
 * What previews cost: a photo of 12 megapixels becomes a thumbnail and a placeholder, once by itself and then ten at a time, read from disk
 * as a store would. The pool's caller is this process, so its event loop is the one that messages would go through.
 */
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { PreviewPool } from '../blobs/media/preview-pool.js'
import type { Preview } from '../blobs/media/previews.js'
import { seeded } from '../testing/seeded-random.js'
import { cpuSeconds, peakMemoryBytes, stealMeter } from './measure.js'
import type { Options } from './options.js'
import { type Figures, percentile } from './statistics.js'

const WIDTH = 4000
const HEIGHT = 3000
/** Strength of the noise over the gradients, of 256: what makes the photo as long as one of a phone, about 4 MB. */
const NOISE = 44
const JPEG_QUALITY = 86
/** In work at a time while the event loop is watched. */
const TOGETHER = 10
const ALONE = 5
const WANTS = { thumbnail: true, squares: false, stripped: false }
const NANOSECONDS_PER_MS = 1e6

export async function previews({ seconds, runs }: Options): Promise<Figures[]> {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-bench-previews-'))
  const pool = new PreviewPool({ timeoutMs: 60_000 })
  try {
    const photo = await makePhoto()
    const path = join(directory, 'photo.jpg')
    writeFileSync(path, photo)
    const make = async (): Promise<Preview | null> => pool.make({ type: 'image/jpeg', size: photo.length, wants: WANTS, source: createReadStream(path) })
    const startMs = performance.now()
    await make()
    const firstMs = performance.now() - startMs
    const figures: Figures[] = []
    for (let run = 0; run < runs; run++) figures.push({ photoMB: photo.length / 1e6, firstMs, ...await alone(pool, make), ...await together(pool, make, seconds) })
    return figures
  } finally {
    await pool.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Gradients with noise, the same each time. */
async function makePhoto(): Promise<Buffer> {
  const random = seeded(12)
  const data = Buffer.allocUnsafe(WIDTH * HEIGHT * 3)
  for (let y = 0, at = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const noise = (random() - 0.5) * NOISE
      data[at++] = Math.min(255, Math.max(0, x * 200 / WIDTH + 20 + noise))
      data[at++] = Math.min(255, Math.max(0, y * 200 / HEIGHT + 20 + noise))
      data[at++] = Math.min(255, Math.max(0, (x + y) * 100 / WIDTH + 40 + noise))
    }
  }
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } }).jpeg({ quality: JPEG_QUALITY }).toBuffer()
}

/** One at a time: time and CPU of a photo, and the most memory that the process has held. */
async function alone(pool: PreviewPool, make: () => Promise<Preview | null>): Promise<Figures> {
  const cpu = (): number | null => pool.pids.map((pid) => cpuSeconds(pid)).reduce((sum, one) => sum === null || one === null ? null : sum + one, 0)
  const before = cpu()
  const times: number[] = []
  let missing = 0
  let placeholderBytes = 0
  let thumbnailBytes = 0
  for (let n = 0; n < ALONE; n++) {
    const startMs = performance.now()
    const preview = await make()
    times.push(performance.now() - startMs)
    if (preview === null) missing++
    placeholderBytes = preview?.placeholder.length ?? 0
    thumbnailBytes = preview?.renditions[0]?.bytes.length ?? 0
  }
  const after = cpu()
  const peaks = pool.pids.map((pid) => peakMemoryBytes(pid)).filter((bytes) => bytes !== null)
  return {
    oneMs: percentile(times.sort((a, b) => a - b), 0.5),
    oneCpuMs: before === null || after === null ? null : (after - before) * 1000 / ALONE,
    processPeakMB: peaks.length === 0 ? null : Math.max(...peaks) / 1e6,
    placeholderBytes, thumbnailBytes, missing,
  }
}

/** Ten at a time: how long the event loop is held up meanwhile, and what it is held up by itself on this machine. */
async function together(pool: PreviewPool, make: () => Promise<Preview | null>, seconds: number): Promise<Figures> {
  const steal = stealMeter()
  const idle = monitorEventLoopDelay({ resolution: 1 })
  idle.enable()
  await sleep(seconds * 1000)
  idle.disable()
  const busy = monitorEventLoopDelay({ resolution: 1 })
  const rssBefore = process.memoryUsage.rss()
  let rssPeak = rssBefore
  const sampler = setInterval(() => { rssPeak = Math.max(rssPeak, process.memoryUsage.rss()) }, 20)
  const startMs = performance.now()
  let made = 0
  let missing = 0
  const worker = async (): Promise<void> => {
    while (performance.now() - startMs < seconds * 1000) {
      if (await make() === null) missing++
      else made++
    }
  }
  busy.enable()
  await Promise.all(Array.from({ length: TOGETHER }, worker))
  busy.disable()
  const elapsedSeconds = (performance.now() - startMs) / 1000
  clearInterval(sampler)
  return {
    perSecond: made / elapsedSeconds,
    loopDelayP99Ms: busy.percentile(99) / NANOSECONDS_PER_MS, loopDelayMaxMs: busy.max / NANOSECONDS_PER_MS,
    idleLoopDelayP99Ms: idle.percentile(99) / NANOSECONDS_PER_MS,
    callerGrowthMB: (rssPeak - rssBefore) / 1e6,
    processes: pool.pids.length, missingTogether: missing, stealPct: steal(),
  }
}
