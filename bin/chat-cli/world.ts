/** What the terminal client has around it; tests pass their own. */
import type { Readable, Writable } from 'node:stream'

export interface World {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly hostName: string
  readonly homeDirectory: string
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly stop: AbortSignal
}

/** Writes one line to stderr. */
export function complain(world: World, message: string): void {
  world.stderr.write(`chat: ${message}\n`)
}
