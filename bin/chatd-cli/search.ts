/** `chatd search`: the index of a data directory. */
import type { Config } from '../../server/config/settings.js'
import { withAdmin } from './admin.js'

/** Makes the index again from the logs; the server may run meanwhile, and searches find everything. */
export async function rebuildIndex(config: Config): Promise<void> {
  await withAdmin(config, false, async (admin) => {
    const { conversations, segments } = await admin.rebuildSearch()
    process.stdout.write(`${count(conversations, 'conversation')}, ${count(segments, 'full segment')} indexed; what is in none yet is found without\n`)
  })
}

function count(number: number, what: string): string {
  return `${String(number)} ${what}${number === 1 ? '' : 's'}`
}
