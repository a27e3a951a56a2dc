/** Opens the administration of a data directory for one piece of work. */
import type { Config } from '../../server/config/settings.js'
import { type OpenUserAdmin, openUserAdmin } from '../../server/control/user-admin.js'

/** `create`: the directory is made if it is missing. */
export async function withAdmin(config: Config, create: boolean, work: (admin: OpenUserAdmin) => Promise<void>): Promise<void> {
  const admin = await openUserAdmin(config, create)
  try {
    await work(admin)
  } finally {
    await admin.close()
  }
}
