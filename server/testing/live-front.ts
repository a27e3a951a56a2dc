/**
 * A whole server in two halves that meet over a link, in one process: one with store and shard, and a front with the listeners. What is
 * true of one server has to be true of the two.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { SYSTEM_CLOCK } from '../clock.js'
import type { Config } from '../config/settings.js'
import { openFront } from '../run/front.js'
import type { LinkIdentity } from '../link/handshake.js'
import { parseLinkAddress } from '../link/link-address.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { dialLink, openLinkListener } from '../link/link-sockets.js'
import { SILENT_LOG } from '../log.js'
import { remoteDesk } from '../router/calls.js'
import { ClusterRouter } from '../router/cluster-router.js'
import type { HomeRouter } from '../router/home-router.js'
import { LinkServer, ROUTER_PURPOSE } from '../router/link-server.js'
import { OwnerRoutes } from '../router/owner-routes.js'
import { dialRouter, type RemoteRouter } from '../router/remote-router.js'
import type { RunningServer } from '../run/run.js'
import { BlobPassage, openBlobPassage } from '../workers/blob-passage.js'

/** `remote`: a router that lives as long as its link; `cluster`: one that follows the owner. */
export type FrontKind = 'remote' | 'cluster'

const SECRET = new Uint8Array(32).fill(7)
const CONNECT_MS = 5000

export function testIdentity(node: string): LinkIdentity {
  return { cluster: 'test', node, secret: SECRET }
}

/** Puts a front before a server, whose own listeners nobody uses then. Both stop together. */
export async function frontOf(t: TestContext, server: RunningServer, config: Config, kind: FrontKind): Promise<RunningServer> {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-link-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const environment = systemLinkEnvironment()
  const linkServer = new LinkServer()
  linkServer.serve({ router: server.home!, desk: server.blobs?.desk ?? null })
  const acceptor = new LinkAcceptor(testIdentity('owner'), environment, { [ROUTER_PURPOSE]: linkServer })
  const address = `unix:${join(directory, 'link')}`
  const listener = await openLinkListener(parseLinkAddress(address)!, null, (transport) => acceptor.accept(transport))
  const dial = async (): Promise<RemoteRouter> =>
    dialRouter(await dialLink(parseLinkAddress(address)!, null, CONNECT_MS), testIdentity('front'), 'owner', environment)

  const { sizeMax } = config.blobs
  const routes = new OwnerRoutes({
    local: () => null, dial, ...environment, clock: SYSTEM_CLOCK, log: SILENT_LOG, random: Math.random, blobBytesMax: sizeMax,
  })
  const hasBlobs = server.router.blobs !== null
  let router: HomeRouter
  let close: () => void
  let desk = null
  if (kind === 'cluster') {
    const cluster = new ClusterRouter({
      source: routes, clock: SYSTEM_CLOCK, scheduler: environment.scheduler, log: SILENT_LOG, ownerWaitMs: 5000, hasBlobs, blobBytesMax: sizeMax,
    })
    routes.follow({ kind: 'node', node: 'owner', address })
    router = cluster
    desk = cluster.desk
    close = () => cluster.close()
  } else {
    const remote = await dial()
    router = remote
    desk = hasBlobs ? remoteDesk((name, args) => remote.ask(name, args), sizeMax) : null
    close = () => remote.close()
  }
  // Files go the way that they go through a worker.
  const { blobs } = server
  const blobSocket = join(directory, 'blobs')
  const closePassage = blobs === null ? null : await openBlobPassage(blobSocket, blobs.taker)
  const taker = blobs === null ? null : new BlobPassage(blobSocket, config.blobs.downloadIdleMs)
  const front = await openFront(config, { router, desk, secret: server.secret, taker })
  server.serveBlobsAt(front.listeners)
  const stop = async (): Promise<void> => {
    await front.stop()
    close()
    routes.close()
    acceptor.close()
    listener.stop()
    closePassage?.()
    await server.stop()
  }
  return {
    ...server,
    ready: { ready: true, listeners: front.listeners, admin: server.ready.admin },
    router, counters: front.counters, connections: front.connections, cluster: null, renewTls: () => front.renewTls(), stop,
  }
}
