/**
 * The accounts of a data directory, whether a server runs on it or not: through the control socket of the server that does, else by
 * opening the directory. Callers can't tell the difference.
 */
import type { EngineName } from '../../storage/metadata.js'
import { openEngine } from '../../storage/open.js'
import { StorageError } from '../../storage/engine.js'
import { makeShards } from '../../storage/shards-file.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { refuseClusterData } from '../cluster/cluster-data.js'
import type { Config } from '../config/settings.js'
import { SILENT_LOG } from '../log.js'
import { LocalRouter } from '../router/local-router.js'
import type { ProfileAdmin } from '../profiles/service.js'
import type { Router } from '../router/router.js'
import { Shard } from '../shard/shard.js'
import { shardEnvironment } from '../run/shard-environment.js'
import type { InvitePage, OperatorInvite } from './control-codec.js'
import { readShape } from '../workers/shape.js'
import { connectControl } from './control-client.js'
import { openOfflineShards } from './offline-shards.js'

/** The calls of the router that administer accounts; they reject with RouterError. */
export interface UserAdmin extends Pick<Router, 'addUser' | 'changeVerifier' | 'removeUser' | 'setDisabled' | 'users' | 'rebuildSearch'> {
  /** As an operator. */
  makeInvite(invite: OperatorInvite): Promise<void>
  /** Those of everybody. */
  invites(after: string, limit: number): Promise<InvitePage>
  revokeInvite(id: string): Promise<void>
}

export interface OpenUserAdmin extends UserAdmin {
  /** What users have reported. */
  readonly profiles: ProfileAdmin
  close(): Promise<void>
}

/** How long to try while the directory is locked but nobody answers: a server that starts or stops at this moment. */
const BUSY_MS = 5000

/**
 * Opens the accounts of `config.data.directory`; with `create` the directory is made if it is missing. Rejects with a StorageError:
 * the directory can't be opened, or is held by a process that does not answer; and with ConfigError where it holds other shards than that says.
 */
export async function openUserAdmin(config: Config, create: boolean): Promise<OpenUserAdmin> {
  const { directory } = config.data
  const engine = config.data.engine as 'auto' | EngineName
  const giveUpMs = performance.now() + BUSY_MS
  for (;;) {
    const remote = await connectControl(directory)
    if (remote !== null) return remote
    try {
      const { shards, isNew } = await readShape(config)
      if (shards === 1 || (isNew && !create)) return await openLocal(config, await openEngine({ directory, engine, create }))
      if (isNew) await makeShards(directory, shards)
      const several = await openOfflineShards(config, shards)
      return adminOf(several.router, () => several.close())
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'locked' || performance.now() > giveUpMs) throw error
    }
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
}

async function openLocal(config: Config, engine: Awaited<ReturnType<typeof openEngine>>): Promise<OpenUserAdmin> {
  try {
    await refuseClusterData(engine, config.data.directory)
  } catch (error) {
    await engine.close()
    throw error
  }
  const shard = new Shard(engine, shardEnvironment(config, SYSTEM_CLOCK, SILENT_LOG))
  return adminOf(new LocalRouter(shard), async () => {
    await shard.close()
    await engine.close()
  })
}

function adminOf(router: Router, close: () => Promise<void>): OpenUserAdmin {
  return {
    addUser: (user, verifier) => router.addUser(user, verifier),
    changeVerifier: (user, verifier) => router.changeVerifier(user, verifier),
    removeUser: (user) => router.removeUser(user),
    setDisabled: (user, disabled) => router.setDisabled(user, disabled),
    users: (after, limit) => router.users(after, limit),
    makeInvite: (invite) => router.makeInvite({ ...invite, maker: '', allowance: null }),
    invites: (after, limit) => router.invites(null, after, limit),
    revokeInvite: (id) => router.revokeInvite(null, id),
    rebuildSearch: () => router.rebuildSearch(),
    profiles: router.profiles,
    close,
  }
}
