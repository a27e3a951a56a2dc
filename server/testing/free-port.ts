/**
 * Ports that stay free while a server that used one is down. Port 0 is not enough for that: what the kernel gave once, it may give to
 * an outgoing connection before the server is back, even to that of a client that tries to reach it and is connected to itself.
 */
import { createServer } from 'node:net'

/** Below the ports that Linux (32,768) and others (49,152) give to outgoing connections. */
const FIRST = 10_240
const LAST = 32_767
const PORTS_BY_PROCESS = 64
const RANGES = Math.floor((LAST + 1 - FIRST) / PORTS_BY_PROCESS)

let taken = 0

/** A port nobody listens on now: each process takes turns in a range of its own, so that two that run at once do not meet. */
export async function freePort(): Promise<number> {
  const first = FIRST + (process.pid % RANGES) * PORTS_BY_PROCESS
  for (let tries = 0; tries < PORTS_BY_PROCESS; tries++) {
    const port = first + taken++ % PORTS_BY_PROCESS
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${String(first)} and ${String(first + PORTS_BY_PROCESS - 1)}`)
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  const isListening = await new Promise<boolean>((resolve) => {
    probe.once('error', () => { resolve(false) })
    probe.listen(port, '127.0.0.1', () => { resolve(true) })
  })
  if (isListening) await new Promise((resolve) => { probe.close(resolve) })
  return isListening
}
