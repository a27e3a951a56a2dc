/**
 * The tools of a load: many clients, texts that carry a number, waiting. Users are u00001, u00002…; the local addresses differ, since
 * one address has too few ports for tens of thousands of connections.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { driver, type RawClient } from './raw-client.js'

const CONNECT_TIMEOUT_MS = 60_000
const FILL = 'the quick brown fox jumps over the lazy dog while the band plays on and everybody sings along to it now'

export function names(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `u${String(first + at).padStart(5, '0')}`)
}

/** 100 ASCII characters that begin with the number. */
export function text(id: number): string {
  return `${String(id).padStart(8, '0')} ${FILL}`.slice(0, 100)
}

export function idOf(received: string): number {
  return Number(received.slice(0, 8))
}

/** Runs `work` for every item, `width` at a time; results in the order of the items. */
export async function pool<T, R>(items: readonly T[], work: (item: T, at: number) => Promise<R>, width = 64): Promise<R[]> {
  const results: R[] = []
  let next = 0
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, async () => {
    while (next < items.length) {
      const at = next++
      results[at] = await work(items[at]!, at)
    }
  }))
  return results
}

/** A client that is not connected yet, for one that talks much, or for one of many that have little to say. */
export function client(port: number, at: number, ring = 4096): RawClient {
  return driver.create({ port, ring, localAddress: process.platform === 'linux' ? `127.0.0.${String(2 + at % 8)}` : '127.0.0.1' })
}

export async function open(one: RawClient, user: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => { reject(new Error(`${user}: no session within ${String(CONNECT_TIMEOUT_MS)} ms`)) }, CONNECT_TIMEOUT_MS)
  })
  try {
    await Promise.race([one.connect(user, `pw-${user}`), late])
  } finally {
    clearTimeout(timer)
  }
}

export async function connectAll(port: number, users: readonly string[], width = 64): Promise<RawClient[]> {
  return pool(users, async (user, at) => {
    const one = client(port, at)
    await open(one, user)
    return one
  }, width)
}

export async function closeAll(clients: readonly RawClient[]): Promise<void> {
  await pool(clients, async (one) => one.close())
}

/** Makes every user's device known to the server and earns its token. */
export async function prepare(port: number, users: readonly string[]): Promise<void> {
  await pool(users, async (user, at) => {
    const one = client(port, at)
    await open(one, user)
    await one.close()
  })
}

/** Waits until the claim holds or the time is over, and says which. */
export async function until(claim: () => boolean, timeoutMs: number): Promise<boolean> {
  const endMs = performance.now() + timeoutMs
  while (!claim()) {
    if (performance.now() >= endMs) return false
    await sleep(20)
  }
  return true
}
