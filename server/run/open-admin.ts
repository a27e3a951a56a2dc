/** The admin listener of a configuration. */
import type { Registry } from 'prom-client'
import { type AdminListener, openAdminListener } from '../admin/admin-listener.js'
import { parseAdminUrl } from '../config/listen-url.js'
import { type Config, SETTINGS } from '../config/settings.js'
import type { Log } from '../log.js'
import { listenError } from './open-listeners.js'

/** null: turned off. `notReady`: why the server does not serve; empty: it does. Rejects with ListenError. */
export async function openAdmin({ admin: { url } }: Config, metrics: Registry, log: Log, notReady: () => string, notice?: () => string): Promise<AdminListener | null> {
  const parsed = url === '' ? null : parseAdminUrl(url)
  if (parsed === null) return null
  const sources = { metrics, notReady, ...notice === undefined ? {} : { notice } }
  try {
    return await openAdminListener(parsed.host, parsed.port, sources)
  } catch (error) {
    // Nobody chose the port that is the default: a second server on the machine takes another, and says so.
    const isChosen = url !== SETTINGS.admin.url.default
    if (isChosen || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw listenError(url, error)
    const admin = await openAdminListener(parsed.host, 0, sources)
    log.warn({ wanted: url, admin: admin.url }, 'admin-port-taken')
    return admin
  }
}
