/** What the steps of server mode do, in words. */
import type { ServerStep } from '../runner/server-case.js'
import { listOf } from '../runner/step-parts.js'

type Words = readonly [what: string, details: readonly string[], fails: string]

const otherwise = 'another frame comes that changes something, the server ends the connection, or nothing comes (TIMEOUT)'

/** Whose step it is. */
function who({ as }: ServerStep): string {
  return as ?? 'alice/phone'
}

function details(value: object, without: readonly string[] = []): string[] {
  return Object.entries(value).filter(([name]) => !without.includes(name)).map(([name, part]) => `${name}: ${JSON.stringify(part)}`)
}

function isSent({ acked, refused }: ServerStep): string {
  if (acked !== undefined) return `, and is acked with seq ${acked}`
  return refused === undefined ? '' : `, and is refused with ${refused}`
}

/** In words, by what a step does. */
export const serverWords = {
  connect: (step: ServerStep): Words => [`${who(step)} connects${step.connect?.refused === true ? ', and is refused by the transport' : ''}`, details(step.connect ?? {}, ['refused']), step.connect?.refused === true ? 'the transport comes to be' : 'it does not come to be'],
  login: (step: ServerStep, within: string): Words => {
    const { by, until, refused, ...rest } = step.login ?? {}
    const end = refused === undefined ? `${until === undefined ? ', and has all of its backlog' : `, as far as ${until}`}, within ${within}` : `, and is closed with ${listOf(refused).join(' or ')}`
    return [`${who(step)} logs in${by === undefined ? '' : ` by ${by}`}${end}`, details(rest), refused === undefined ? 'the server lets it not, or does it otherwise' : 'it is let in, or closed with another error']
  },
  lose: (step: ServerStep): Words => [`${who(step)} forgets token, epochs and cursor`, [], ''],
  send: (step: ServerStep): Words => [`${who(step)} sends${isSent(step)}`, listOf(step.send ?? []), step.acked !== undefined || step.refused !== undefined ? 'the answer is another one, or does not come' : ''],
  raw: (step: ServerStep): Words => [`${who(step)} sends bytes`, [JSON.stringify(step.raw)], ''],
  cut: (step: ServerStep): Words => [`${who(step)} sends the first ${String(step.bytes ?? 1)} bytes of`, [step.cut ?? ''], ''],
  text: (step: ServerStep): Words => [`${who(step)} sends a WebSocket message of text`, [step.text ?? ''], ''],
  throttle: (step: ServerStep): Words => [`From now on what ${who(step)} sends goes out in pieces of ${String(step.throttle?.bytes)} bytes, ${String(step.throttle?.everyMs)} ms apart`, [], ''],
  close: (step: ServerStep): Words => [`${who(step)} ends the connection${step.close === 'reset' ? ' with a reset' : ''}`, [], ''],
  halfOpen: (step: ServerStep): Words => [`From now on ${who(step)} neither reads nor writes, and the connection stays`, [], ''],
  silent: (step: ServerStep): Words => [`From now on ${who(step)} answers no ping, and says nothing by itself`, [], ''],
  leave: (step: ServerStep, within: string): Words => [`${who(step)} says close and goes; the server ends the connection within ${within}`, [], 'it does not'],
  expect: (step: ServerStep, within: string): Words => [`To ${who(step)} comes, within ${within}`, listOf(step.expect ?? []), otherwise],
  expectAll: (step: ServerStep, within: string): Words => [`To ${who(step)} come, in any order, within ${within}`, step.expectAll ?? [], otherwise],
  some: (step: ServerStep, within: string): Words => [`To ${who(step)} has come, or comes within ${within}, one like`, [step.some ?? ''], 'none comes'],
  never: (step: ServerStep): Words => [`To ${who(step)} has not come`, [step.never ?? ''], 'one has'],
  count: (step: ServerStep): Words => [`To ${who(step)} have come ${String(step.count)} of`, [step.of ?? ''], 'there are more, or fewer'],
  quiet: (step: ServerStep): Words => [`To ${who(step)} nothing comes for ${String(step.quiet)} ms that changes anything`, [], 'something comes, or the connection ends'],
  expectClose: (step: ServerStep, within: string): Words => [`${who(step)} is closed with ${listOf(step.expectClose ?? []).join(' or ')}, and the connection ends, within ${within}`, [], 'the error is another one, there is none, or the connection goes on (TIMEOUT)'],
  expectEnd: (step: ServerStep, within: string): Words => [`The server ends the connection of ${who(step)} within ${within}`, [], 'it does not'],
  forget: (step: ServerStep): Words => [`What has come to ${who(step)} is of no more interest`, [], ''],
  store: (step: ServerStep): Words => [`${who(step)} acknowledges ${step.store === true ? 'all that has come' : `up to ${String(step.store)}`}`, [], ''],
  ask: (step: ServerStep, within: string): Words => [
    `${who(step)} asks, and within ${within} ${step.fail === undefined ? 'has an answer' : `it fails with ${listOf(step.fail).join(' or ')}`}`,
    [step.ask ?? '', ...(step.result === undefined ? [] : [`→ ${step.result}`])], 'the answer is another one, or does not come',
  ],
  sync: (step: ServerStep): Words => [`${who(step)} has an answer to a ping`, [], 'no pong comes'],
  delay: (step: ServerStep): Words => [`${String(step.delay)} ms pass`, [], ''],
  check: (step: ServerStep): Words => ['It holds that', (step.check ?? []).map(([value, pattern]) => `${value} is ${pattern}`), 'it does not'],
  need: (step: ServerStep): Words => ['It has to hold of this server that', (step.need ?? []).map(([value, pattern]) => `${value} is ${pattern}`), ''],
  repeat: (step: ServerStep): Words => [`${String(step.repeat)} times:`, [], ''],
  http: (step: ServerStep): Words => {
    const { method = '', url = '', status = 0, ...rest } = step.http ?? {}
    return [`${method} ${url} is answered with ${listOf(status).join(' or ')}`, details(rest), 'the answer is another one, or does not come']
  },
} satisfies Partial<Record<keyof ServerStep, (step: ServerStep, within: string) => Words>>
