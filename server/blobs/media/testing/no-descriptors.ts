/** Asks for a preview when the process has no descriptor left, and once more with a few; prints what became of both. */
import { closeSync, openSync } from 'node:fs'
import { PreviewPool, type PreviewOutcome } from '../preview-pool.js'
import { requestOf, THUMBNAIL } from './preview-testing.js'

const outcomes: PreviewOutcome[] = []
const pool = new PreviewPool({ onOutcome: (outcome) => outcomes.push(outcome) })
const held: number[] = []
try {
  for (;;) held.push(openSync('/dev/null', 'r'))
} catch { /* that was the last */ }
await pool.make(requestOf(Buffer.of(1), 'image/png', THUMBNAIL))
for (const descriptor of held) closeSync(descriptor)
await pool.make(requestOf(Buffer.of(1), 'image/png', THUMBNAIL))
await pool.close()
process.stdout.write(outcomes.join())
