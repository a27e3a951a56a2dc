/** Bodies of requests: how long they say they are, read at their own pace, or left alone in good order. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { UploadHold } from './upload-locks.js'
import type { UploadPace } from './upload-pace.js'

/** Bytes of a body that is not wanted, and time, that are spent so that its sender reads the answer. */
const LINGER_BYTES_MAX = 1_048_576
const LINGER_MS = 1000

/** Bytes, as said; null: not said (chunked). node has refused what is no number, and what says both. */
export function contentLength(request: IncomingMessage): number | null {
  const value = request.headers['content-length']
  if (value !== undefined) return Number(value)
  return request.headers['transfer-encoding'] === undefined ? 0 : null
}

/** Whether the client waits for a word before it sends the body (RFC 9110, 10.1.1). */
function expectsContinue(request: IncomingMessage): boolean {
  return request.headers.expect?.toLowerCase() === '100-continue'
}

/** How slowly a body may come. */
export interface Patience {
  /** Nothing at all. */
  readonly uploadIdleMs: number
  /** Less than this in each stretch of `uploadSlowMs`; 0: however little. */
  readonly uploadSlowBytes: number
  readonly uploadSlowMs: number
}

/**
 * The chunks of a body as they come, no faster than the pace of all. If nothing comes for too long, or too little, the hold is asked to stop.
 * `onBytes` counts them.
 */
export async function* bodyOf(
  request: IncomingMessage, response: ServerResponse, hold: UploadHold, patience: Patience, pace: UploadPace, onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array, void> {
  if (expectsContinue(request)) response.writeContinue()
  let lately = 0
  // Who rests because it was told to is neither idle nor slow: what it rests does not count.
  let isResting = false
  let restedMs = 0
  const timer = setTimeout(() => { if (!isResting) hold.stop('idle') }, patience.uploadIdleMs)
  const meter = setInterval(() => {
    const listenedMs = patience.uploadSlowMs - restedMs
    if (listenedMs > 0 && !isResting && lately < patience.uploadSlowBytes * listenedMs / patience.uploadSlowMs) hold.stop('slow')
    lately = 0
    restedMs = 0
  }, patience.uploadSlowMs)
  const stopTimers = (): void => {
    clearTimeout(timer)
    clearInterval(meter)
  }
  // Who gives up has told so by the signal, and may do it while this waits for a chunk that never comes.
  hold.signal.addEventListener('abort', stopTimers, { once: true })
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      timer.refresh()
      lately += chunk.length
      onBytes(chunk.length)
      yield chunk
      const restMs = pace.rest(chunk.length)
      if (restMs === 0) continue
      isResting = true
      await resting(restMs, hold.signal)
      isResting = false
      restedMs += restMs
      timer.refresh()
    }
  } finally {
    stopTimers()
  }
}

/** Resolves after so long, or when the signal says that nobody waits any more. */
async function resting(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => { /* as said */ })
}

/**
 * Sends a short answer. If there is a body that nobody has read to its end, the connection ends with it; not at once, since whoever is
 * still sending would get a reset in place of the answer.
 */
export function answerShortly(
  request: IncomingMessage, response: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body: string,
): void {
  if (response.destroyed || response.headersSent) {
    response.destroy()
    return
  }
  const isUnread = !request.complete && contentLength(request) !== 0
  const isBodyless = status === 204 || status === 304
  response.writeHead(status, {
    ...headers, ...isUnread ? { connection: 'close' } : {}, ...isBodyless ? {} : { 'content-length': String(Buffer.byteLength(body)) },
  })
  if (!isUnread || expectsContinue(request)) {
    response.end(isBodyless ? undefined : body)
    return
  }
  response.write(body)
  linger(request, () => response.end())
}

function linger(request: IncomingMessage, end: () => void): void {
  let left = LINGER_BYTES_MAX
  const timer = setTimeout(stop, LINGER_MS)
  function stop(): void {
    clearTimeout(timer)
    request.off('data', onData)
    end()
  }
  function onData(chunk: Buffer): void {
    left -= chunk.length
    if (left < 0) stop()
  }
  // Who has given up reading may still wait for its next chunk, and would hold up all others.
  request.removeAllListeners('readable')
  request.on('data', onData).once('end', stop).once('error', stop).once('close', stop)
  request.resume()
}

/**
 * Resolves when all of an answer is the system's, or the connection is over: only then is the connection the next answer's. Where nothing
 * of it is read for `idleMs` the connection is ended; nobody else watches it once the last byte is written.
 */
export function handedOver(request: IncomingMessage, response: ServerResponse, idleMs: number): Promise<void> {
  const { socket } = request
  return new Promise((resolve) => {
    // What is not ended yet has somebody who waits for more.
    const timer = setInterval(() => { if (response.writableEnded) socket.destroy() }, idleMs)
    const settle = (): void => {
      clearInterval(timer)
      response.off('finish', settle).off('close', settle)
      socket.off('close', settle)
      resolve()
    }
    response.on('finish', settle).on('close', settle)
    socket.on('close', settle)
    // It may be over before anybody listens.
    if (response.writableFinished || socket.closed) settle()
  })
}
