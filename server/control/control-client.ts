/** The accounts of a running server, through its control socket. */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { ClusterStatus } from '../cluster/cluster-status.js'
import { type ClusterAction, type ControlAnswer, type ControlRequest, type ControlResult, encodeRequest, type InvitePage, type UserPage } from './control-codec.js'
import type { RebuildResult } from '../search/search-router.js'
import { controlPath } from './control-path.js'
import { fromLine, type ReportLines } from './report-codec.js'
import type { OpenUserAdmin } from './user-admin.js'

/** What a running server is asked for beside its accounts. */
export interface ControlClient extends OpenUserAdmin {
  /** Of its cluster; the status with 'status', else null. Rejects with RouterError, also where it is in none. */
  cluster(action: ClusterAction, node: string, shard?: number): Promise<ClusterStatus | null>
}

/** Connects to the server that runs on the directory; null when none does. Calls reject with RouterError. */
export async function connectControl(directory: string): Promise<ControlClient | null> {
  let socket: Socket
  try {
    socket = createConnection(controlPath(directory))
    await once(socket, 'connect')
  } catch {
    // No directory, no socket, or one that a dead server left behind.
    return null
  }
  socket.on('error', () => {})
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  const ask = async (request: ControlRequest): Promise<ControlResult> => {
    socket.write(encodeRequest(request))
    // One that dies before it has read the request resets the connection.
    const { value, done } = await lines.next().catch(() => ({ value: undefined, done: true })) as IteratorResult<string, undefined>
    if (done === true) throw new RouterError(ERROR.unavailable, 'the server has ended the control connection: try again')
    const answer = JSON.parse(value) as ControlAnswer
    if (answer.ok) return answer.page
    throw new RouterError(answer.code as ErrorCode, answer.message, { retryAfterMs: answer.retryAfterMs })
  }
  // Answers come in the order of the requests; one at a time keeps them apart.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = (request: ControlRequest): Promise<ControlResult> => {
    const answer = last.then(() => ask(request))
    last = answer.catch(() => undefined)
    return answer
  }
  return {
    addUser: async (user, verifier) => { await inTurn({ method: 'addUser', user, verifier }) },
    changeVerifier: async (user, verifier) => { await inTurn({ method: 'changeVerifier', user, verifier }) },
    removeUser: async (user) => { await inTurn({ method: 'removeUser', user }) },
    setDisabled: async (user, disabled) => { await inTurn({ method: 'setDisabled', user, disabled }) },
    users: async (after, limit) => await inTurn({ method: 'users', after, limit }) as UserPage,
    makeInvite: async (invite) => { await inTurn({ method: 'makeInvite', invite }) },
    invites: async (after, limit) => await inTurn({ method: 'invites', after, limit }) as InvitePage,
    revokeInvite: async (id) => { await inTurn({ method: 'revokeInvite', id }) },
    rebuildSearch: async () => await inTurn({ method: 'rebuildSearch' }) as RebuildResult,
    profiles: {
      reports: async (after, limit) => {
        const page = await inTurn({ method: 'reports', after, limit }) as ReportLines
        return { reports: page.reports.map(fromLine), more: page.more }
      },
      readReport: async (id) => {
        const [report] = (await inTurn({ method: 'readReport', id }) as ReportLines).reports
        return report === undefined ? null : fromLine(report)
      },
      closeReport: async (id) => (await inTurn({ method: 'closeReport', id }) as ReportLines).more,
    },
    cluster: async (action, node, shard = 0) => await inTurn({ method: 'cluster', action, node, shard }) as ClusterStatus | null,
    close: async () => { socket.destroy() },
  }
}
