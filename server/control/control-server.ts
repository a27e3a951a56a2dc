/** The control socket of a running server: a Unix-domain socket that its own user alone can open. */
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { asError } from '../../protocol/as-error.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Log } from '../log.js'
import type { ClusterAdmin } from '../cluster/cluster-admin.js'
import { listenPrivately } from '../listeners/listening.js'
import { type Router, RouterError } from '../router/router.js'
import { type ClusterControlRequest, type ControlAnswer, type ControlRequest, type ControlResult, decodeRequest, LINE_BYTES_MAX } from './control-codec.js'
import { isReportRequest, type ReportControlRequest, type ReportLines, toLine } from './report-codec.js'
import { controlPath } from './control-path.js'

export interface ControlServer {
  close(): void
}

/** What is controlled. */
export interface ControlTargets {
  readonly router: Router
  /** null: the server stands alone. */
  readonly cluster: ClusterAdmin | null
}

/** Listens for `chatd user`. To be called by the holder of the data directory alone. Rejects with the error of `listen`. */
export async function openControlServer(directory: string, targets: ControlTargets, log: Log): Promise<ControlServer> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    serve(socket, targets, log).catch(() => socket.destroy())
  })
  server.maxConnections = 16
  await listenPrivately(server, controlPath(directory))
  return {
    close: () => {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}

async function serve(socket: Socket, targets: ControlTargets, log: Log): Promise<void> {
  socket.on('error', () => socket.destroy())
  let bytes = 0
  socket.on('data', (chunk) => {
    bytes += chunk.length
    if (bytes > LINE_BYTES_MAX) socket.destroy()
  })
  for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) {
    bytes = 0
    const request = decodeRequest(line)
    const answer = request === null ? failure(ERROR.badRequest, 'not a control request of this version') : await carryOut(request, targets, log)
    socket.write(`${JSON.stringify(answer)}\n`)
  }
}

async function carryOut(request: ControlRequest, { router, cluster }: ControlTargets, log: Log): Promise<ControlAnswer> {
  try {
    if (request.method === 'cluster') return { ok: true, page: await ofCluster(request, cluster, log) }
    const page = isReportRequest(request) ? await reportLines(request, router, log) : await ask(request, router)
    if (page !== null) return { ok: true, page }
    if ('user' in request) log.info({ method: request.method, user: request.user, ...'disabled' in request ? { disabled: request.disabled } : {} }, 'account-changed')
    else if (request.method === 'makeInvite') log.info({ invite: request.invite.id, uses: request.invite.uses }, 'invite-made')
    else if (request.method === 'revokeInvite') log.info({ invite: request.id }, 'invite-revoked')
    return { ok: true, page: null }
  } catch (error) {
    if (error instanceof RouterError) return { ok: false, code: error.code, message: error.message, retryAfterMs: error.retryAfterMs }
    log.error({ error: asError(error) }, 'control-failed')
    return failure(ERROR.internalError, 'a fault of the server; its log says more')
  }
}

/** null: something was changed. */
async function ask(request: Exclude<ControlRequest, ReportControlRequest | ClusterControlRequest>, router: Router): Promise<ControlResult> {
  switch (request.method) {
    case 'users': return router.users(request.after, request.limit)
    case 'invites': return router.invites(null, request.after, request.limit)
    case 'rebuildSearch': return router.rebuildSearch()
    case 'addUser':
    case 'changeVerifier': await router[request.method](request.user, request.verifier); return null
    case 'removeUser': await router.removeUser(request.user); return null
    case 'setDisabled': await router.setDisabled(request.user, request.disabled); return null
    case 'makeInvite': await router.makeInvite({ ...request.invite, maker: '', allowance: null }); return null
    case 'revokeInvite': await router.revokeInvite(null, request.id); return null
  }
}

async function ofCluster({ action, node, shard }: ClusterControlRequest, cluster: ClusterAdmin | null, log: Log): Promise<ControlResult> {
  if (cluster === null) throw new RouterError(ERROR.unavailable, 'this server stands alone: it is no node of a cluster')
  if (action === 'status') return cluster.status()
  log.info({ action, node, shard }, 'cluster-ordered')
  if (action === 'move') await cluster.move(shard, node)
  else await cluster[action](node)
  return null
}

async function reportLines(request: ReportControlRequest, { profiles }: Router, log: Log): Promise<ReportLines> {
  switch (request.method) {
    case 'reports': {
      const page = await profiles.reports(request.after, request.limit)
      return { reports: page.reports.map(toLine), more: page.more }
    }
    case 'readReport': {
      const report = await profiles.readReport(request.id)
      return { reports: report === null ? [] : [toLine(report)], more: false }
    }
    case 'closeReport': {
      const isClosed = await profiles.closeReport(request.id)
      if (isClosed) log.info({ report: request.id }, 'report-closed')
      return { reports: [], more: isClosed }
    }
  }
}

function failure(code: number, message: string): ControlAnswer {
  return { ok: false, code, message, retryAfterMs: 0 }
}
