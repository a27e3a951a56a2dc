/** The adapters of a run in client mode: processes that the runner starts, or what dials in. */
import { spawn } from 'node:child_process'
import type { Adapters } from '../runner/adapter.js'
import { DialIn } from '../runner/dial-in.js'
import { PipeAdapters } from '../runner/pipe-adapter.js'
import { UsageError } from './arguments.js'
import type { Arguments } from './arguments.js'

/** How long the first adapter may take to dial in: somebody may have to open a page by hand. */
const firstMsMax = 120_000

/** Calls `use` with them, and ends what was started. `stop` is heeded here while nobody is there yet. */
export async function withAdapters(args: Arguments, stop: AbortSignal, use: (adapters: Adapters) => Promise<number>): Promise<number> {
  if (!args.isDialIn) return use(new PipeAdapters(args.adapter, process.cwd()))
  const dialIn = await listen(args)
  const end = args.adapter.length > 0 ? start(args.adapter, dialIn) : () => {}
  const onStop = (): void => { dialIn.stop() }
  stop.addEventListener('abort', onStop)
  try {
    if (args.adapter.length === 0) process.stdout.write(`Adapters dial in at ${dialIn.url}\n`)
    if (await dialIn.hasAdapter(firstMsMax * args.slowness)) return await use(dialIn)
    if (!stop.aborted) process.stderr.write('chat-conformance: no adapter has dialled in\n')
    return 1
  } finally {
    stop.removeEventListener('abort', onStop)
    await dialIn.close()
    end()
  }
}

async function listen({ at: { host, port } }: Arguments): Promise<DialIn> {
  try {
    return await DialIn.listen(host, port)
  } catch (error) {
    throw new UsageError(`cannot listen at ${host}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Starts what makes adapters; returns what ends it, and all that it started. The address is no argument, which others could read. */
function start(command: readonly string[], dialIn: DialIn): () => void {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'inherit'], detached: true, env: { ...process.env, CHAT_CONFORMANCE_URL: dialIn.url } })
  child.on('error', (error) => { process.stderr.write(`chat-conformance: ${command[0]!} cannot be started: ${error.message}\n`) })
  child.on('close', (code) => {
    // What failed will send nobody.
    if (code !== 0) dialIn.stop()
  })
  return () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    } catch {
      // It went by itself.
    }
  }
}
