/** What a proof needs of whoever runs it: somewhere to say what happens, and something that cleans up behind it. */
import type { TestContext } from 'node:test'

export interface Scope {
  /** Runs when the proof has ended, whatever its outcome; the last one first. */
  after(end: () => Promise<void> | void): void
  /** One line for a person. */
  note(line: string): void
}

/** Runs a proof with its cleanup. */
export async function withScope<T>(note: (line: string) => void, run: (scope: Scope) => Promise<T>): Promise<T> {
  const ends: (() => Promise<void> | void)[] = []
  try {
    return await run({ after: (end) => ends.unshift(end), note })
  } finally {
    for (const end of ends) await end()
  }
}

/** The scope of a test; what is noted shows among its diagnostics. */
export function scopeOf(t: Pick<TestContext, 'after' | 'diagnostic'>): Scope {
  const ends: (() => Promise<void> | void)[] = []
  t.after(async () => { for (const end of ends) await end() })
  return { after: (end) => ends.unshift(end), note: (line) => { t.diagnostic(line) } }
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}

/** How long anything may take on a machine with other things to do; nothing waits for it where all is well. */
export const PATIENCE_MS = 120_000

/** Resolves once the condition holds; rejects, saying what was awaited, after PATIENCE_MS. */
export async function until(what: string | (() => string), condition: () => boolean, patienceMs = PATIENCE_MS): Promise<void> {
  const giveUpMs = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > giveUpMs) throw new Error(`waited in vain for ${typeof what === 'string' ? what : what()}`)
    await delay(10)
  }
}

