/** `chatd start`: the server in the foreground, from the ready line to the exit code. */
import { asError } from '../../protocol/as-error.js'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../server/config/settings.js'
import { openLog, type ProcessLog } from '../../server/log.js'
import { endAtOnce } from '../../server/process/end-at-once.js'
import { endOnCrash, endProcess, LAST_LINE_MS } from '../../server/process/end.js'
import { type OperatedServer, type ReadyLine, startServer } from '../../server/run/run.js'
import { readShape } from '../../server/workers/shape.js'
import { startWithShards } from '../../server/workers/shards-supervisor.js'
import { startWithWorkers, type SupervisorOptions } from '../../server/workers/supervisor.js'
import { EXIT } from './failure.js'
import type { Hangups } from './hangups.js'

/** The program of the processes that take clients. */
const WORKER = fileURLToPath(new URL('worker.js', import.meta.url))

/** Who is told to stop within this is told once: npm and timeout(1) pass on a signal that their group gets, too. */
const SAME_SIGNAL_MS = 500

/** Runs until a signal ends it. Rejects when the server can't be started. */
export async function start(config: Config, hangups: Hangups): Promise<void> {
  const log = openLog(config.log.level)
  endOnCrash(log, EXIT.crashed, (error) => {
    process.stderr.write(`chatd: crashed by a fault of its own (${error.message}); what was acknowledged is safe: start it again\n`)
  })
  const { stopping, unheed } = stopSignal(config, log)
  const server = await startAs(config, log, stopping).catch((error: unknown) => {
    // What is left is to say why. A stop that began now would end that by SIGKILL.
    unheed()
    throw error
  })
  // Nothing should be left that keeps the process; if something is, it must not keep the operator.
  if (server === null) return endProcess(log, EXIT.ok)
  hangups.heed(() => {
    if (hangups.hasTls) renewTls(server, log)
    else log.info({}, 'nothing-to-renew')
  })
  process.stdout.write(`${JSON.stringify(server.ready)}\n`)
  if (process.stderr.isTTY || process.env['npm_lifecycle_event'] === 'start') process.stderr.write(greeting(server.ready, config))

  if (!stopping.aborted) await once(stopping, 'abort')
  await server.stop()
  return endProcess(log, EXIT.ok)
}

/** null: it was told to stop before it served. */
async function startAs(config: Config, log: ProcessLog, stopping: AbortSignal): Promise<OperatedServer | null> {
  try {
    return await startShaped(config, { log, program: WORKER, stopping })
  } catch (error) {
    if (!stopping.aborted) throw error
    // A worker, say, that had the signal, too.
    if (error !== stopping.reason) log.warn({ error: asError(error) }, 'start-failed')
    return null
  }
}

async function startShaped(config: Config, options: SupervisorOptions): Promise<OperatedServer> {
  // A node of a cluster has its shards in one process.
  const shape = config.cluster.redis.length > 0 ? null : await readShape(config)
  if (shape !== null && shape.shards > 1) return startWithShards(config, shape, options)
  return config.listen.workers === 1 ? startServer(config, options) : startWithWorkers(config, options)
}

/**
 * Aborted by the first signal to stop. Another one ends the process at once from then on, also one that is still starting, and so does the time
 * that the end may take: what it waits for may never come.
 */
function stopSignal({ limits }: Config, log: ProcessLog): { readonly stopping: AbortSignal, readonly unheed: () => void } {
  const controller = new AbortController()
  let askedMs = -Infinity
  const asked = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now()
    if (nowMs - askedMs < SAME_SIGNAL_MS) return
    askedMs = nowMs
    if (controller.signal.aborted) {
      log.warn({}, 'forced')
      setTimeout(endAtOnce, LAST_LINE_MS)
      return
    }
    log.info({ signal }, 'server-stopping')
    // A shard that is given away, clients that leave and clients that are cut off: each may take all of its time.
    const afterMs = limits.drainJitterMs + 3 * limits.drainTimeoutMs + limits.stopGraceMs
    setTimeout(() => {
      log.error({ afterMs, setting: 'limits.stopGraceMs' }, 'stop-timed-out')
      setTimeout(endAtOnce, LAST_LINE_MS)
    }, afterMs)
    controller.abort()
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, asked)
  return { stopping: controller.signal, unheed: () => { for (const signal of signals) process.off(signal, asked) } }
}

function renewTls(server: OperatedServer, log: ProcessLog): void {
  try {
    server.renewTls()
  } catch (error) {
    log.error({ error: asError(error) }, 'tls-not-renewed')
  }
}

/** For a person: where it listens, and the two lines to type next. */
function greeting(ready: ReadyLine, config: Config): string {
  const run = process.platform === 'win32' ? 'node bin/' : 'bin/'
  const data = quoted(config.data.directory)
  const server = ready.listeners[0] ?? ''
  return `
chatd listens on ${ready.listeners.join(' and ')}${ready.admin === null ? '' : `; health and metrics: ${ready.admin}`}
To try it, make two users and let them chat, each in a terminal of its own:

  ${run}chatd user add alice --data ${data} && ${run}chatd user add bob --data ${data}
  ${run}chat --server ${server} --user alice        (and the same with bob)

Ctrl-C stops it.

`
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll('\'', '\'\\\'\'')}'`
}
