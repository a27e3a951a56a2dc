/** A request of HTTP in a case with a server, and what its answer has to be. */
import type { Target } from './dial.js'
import { request } from './http.js'
import type { ServerStep } from './server-case.js'
import { listOf } from './step-parts.js'
import type { Trace } from './trace.js'
import type { Variables } from './variables.js'
import { CaseFailed } from './verdict.js'

export interface HttpStepOptions {
  readonly target: Target
  readonly timeoutMs: number
  readonly trace: Trace
  readonly variables: Variables
}

/** Rejects with a CaseFailed. */
export async function playHttp({ http }: ServerStep, { target, timeoutMs, trace, variables }: HttpStepOptions): Promise<void> {
  const { answer = {}, text, ...asked } = http ?? { method: 'GET', url: '', status: 200 }
  const { url, method, headers = {}, body = '', status } = variables.fillAll(asked) as typeof asked
  const came = await request({ target, url, method, headers, body, timeoutMs })
  trace.add('client', 0, `${method} ${url.replace(/\?.*/, '?…')}`)
  trace.add('server', 0, `${String(came.status)} ${JSON.stringify(came.headers)}`)
  const wanted = listOf(status)
  if (!wanted.includes(came.status)) throw new CaseFailed('fail', `${method} answered with ${wanted.join(' or ')}`, `${String(came.status)} ${came.text.slice(0, 200)}`)
  const pairs: [string, string, string][] = Object.entries(answer).map(([name, pattern]) => [`the header ${name}`, pattern, came.headers[name] ?? 'absent'])
  if (text !== undefined) pairs.push(['the body', text, came.text])
  for (const [what, pattern, value] of pairs) {
    const fault = variables.match(pattern, value)
    if (fault !== null) throw new CaseFailed('fail', `${what} to be ${fault}`, value)
  }
}
