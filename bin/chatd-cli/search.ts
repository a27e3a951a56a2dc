/** `chatd search`: the index of a data directory. */
import type { Config } from '../../server/config/settings.js'
import { withAdmin } from './admin.js'

/** Makes the index again from the logs; the server may run meanwhile, and searches find everything. */
export async function rebuildIndex(config: Config): Promise<void> {
  await withAdmin(config, false, async (admin) => {
    const { conversations, segments } = await admin.rebuildSearch()
    process.stdout.write(`${String(conversations)} ${conversations === 1 ? 'conversation' : 'conversations'}, ${String(segments)} segments indexed\n`)
  })
}
