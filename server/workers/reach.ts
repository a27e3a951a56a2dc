/** Another process of this server as a router that follows it through all its lives. */
import { SYSTEM_CLOCK } from '../clock.js'
import type { LinkIdentity } from '../link/handshake.js'
import { type LinkAddress, parseLinkAddress } from '../link/link-address.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { dialLink } from '../link/link-sockets.js'
import type { Transport } from '../listeners/transport.js'
import { ClusterRouter } from '../router/cluster-router.js'
import { OwnerRoutes } from '../router/owner-routes.js'
import { dialRouter } from '../router/remote-router.js'

export interface ReachOptions {
  /** Of this process. */
  readonly identity: LinkIdentity
  readonly environment: LinkEnvironment
  /** How long sessions and calls wait for it where it is away. */
  readonly ownerWaitMs: number
  readonly hasBlobs: boolean
  readonly blobBytesMax: number
}

export interface Reached {
  readonly router: ClusterRouter
  /** Ends its sessions, and the link. */
  readonly close: () => void
}

/** `node`: by what name the process that has the shard is known, `address`: where it takes links. */
export function reachNode(node: string, address: string, shard: number, { identity, environment, ...options }: ReachOptions): Reached {
  const { scheduler, log } = environment
  const shared = { clock: SYSTEM_CLOCK, scheduler, log, blobBytesMax: options.blobBytesMax }
  const routes = new OwnerRoutes({
    ...shared,
    local: () => null,
    dial: async () => dialRouter(await dialAddress(address, environment), identity, node, environment, shard),
    random: Math.random,
  })
  const router = new ClusterRouter({ ...shared, source: routes, ownerWaitMs: options.ownerWaitMs, hasBlobs: options.hasBlobs })
  routes.follow({ kind: 'node', node, address })
  return {
    router,
    close: () => {
      router.close()
      routes.close()
    },
  }
}

/** Rejects with LinkError. */
export function dialAddress(address: string, { limits }: LinkEnvironment): Promise<Transport> {
  return dialLink(parsed(address), null, limits.openTimeoutMs)
}

function parsed(address: string): LinkAddress {
  const parts = parseLinkAddress(address)
  if (parts === null) throw new TypeError(`${address} is no address of a link`)
  return parts
}
