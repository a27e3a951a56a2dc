/** Servers with one planted bug each: the proof that server mode finds what it is for. Each names the cases that have to catch it. */
import type { WireFrame } from '../../runner/decode.js'
import type { ElementValue } from '../../spec/wire.js'
import { errorCode, plain } from '../../runner/step-parts.js'
import { withValues } from '../rewire.js'
import type { Bug, Line, MakeBug } from './proxy.js'

export interface ServerMutant {
  readonly name: string
  /** What it does wrong, in a sentence. */
  readonly bug: string
  /** Cases that fail because of it; the first one names it. */
  readonly caughtBy: readonly string[]
  readonly make: MakeBug
}

type Change = (frame: WireFrame, line: Line) => readonly WireFrame[]

/** The same for every connection, which remembers nothing. */
function always(bug: Bug): MakeBug {
  return () => () => bug
}

function only(name: string, change: Change): Change {
  return (frame, line) => frame.frame === name ? change(frame, line) : [frame]
}

/** Frames of one kind that the server writes are changed. */
function writing(name: string, change: Change): MakeBug {
  return always({ outgoing: only(name, change) })
}

/** Frames of one kind that the server reads are changed. */
function reading(name: string, change: Change): MakeBug {
  return always({ incoming: only(name, change) })
}

function frameOf(frame: string, values: WireFrame['values']): WireFrame {
  return { frame, values, extensions: {} }
}

function isError(frame: WireFrame, name: string): boolean {
  return frame.values['error'] === errorCode(name)
}

/** What the server refuses with this error is acked. */
function acksWhat(error: string): MakeBug {
  return writing('refuse', (frame) => isError(frame, error) ? [frameOf('ack', { clientId: frame.values['clientId']!, seq: 1, timeOffset: 0 })] : [frame])
}

/** A message that comes again on another connection goes to the server under a new client id, as if it had never been seen. */
const forgetsRetries: MakeBug = () => {
  const seen = new Set<string>()
  let next = 1_000_000
  return () => {
    const given = new Map<number, number>()
    return {
      incoming: only('message', (frame) => {
        const key = JSON.stringify([frame.values, frame.extensions])
        const isKnown = seen.has(key)
        seen.add(key)
        if (!isKnown) return [frame]
        given.set(++next, frame.values['clientId'] as number)
        return [withValues(frame, { clientId: next })]
      }),
      outgoing: only('ack', (frame) => {
        const clientId = given.get(frame.values['clientId'] as number)
        return [clientId === undefined ? frame : withValues(frame, { clientId })]
      }),
    }
  }
}

/** What waited for a device when it comes back is lost: the entries of its backlog are told as skipped. */
const losesTheQueue: MakeBug = () => () => {
  let isResumed = false
  return {
    outgoing: (frame) => {
      if (frame.frame === 'welcome') isResumed = frame.values['resume'] === 1
      if (frame.frame === 'done') isResumed = false
      return isResumed && frame.frame === 'delivery' ? [frameOf('skip', { index: frame.values['index']! })] : [frame]
    },
  }
}

/** done comes behind welcome, and the backlog behind it. */
const doneTooEarly: MakeBug = () => () => ({
  outgoing: (frame) => {
    if (frame.frame === 'welcome') return [frame, frameOf('done', { index: frame.values['cursor']! })]
    return frame.frame === 'done' ? [] : [frame]
  },
})

/** The first two messages of a connection change places: each comes under the index of the other. */
const wrongOrder: MakeBug = () => () => {
  let held: WireFrame | null = null
  let isDone = false
  return {
    outgoing: only('delivery', (frame) => {
      if (isDone) return [frame]
      const first = held
      held = frame
      if (first === null) return []
      isDone = true
      return [withValues(frame, { index: first.values['index']! }), withValues(first, { index: frame.values['index']! })]
    }),
  }
}

/** Each receipt of a watermark says less than the one before. */
const movesBack: MakeBug = () => () => {
  const told = new Map<string, number>()
  return {
    outgoing: only('receipt', (frame) => {
      const key = `${plain(frame.values['conversation'])} ${plain(frame.values['mark'])}`
      const before = told.get(key)
      const seq = before === undefined ? frame.values['seq'] as number : Math.max(0, before - 1)
      told.set(key, seq)
      return [withValues(frame, { seq })]
    }),
  }
}

/** A page of history is given to whoever asks for it once it was given to anybody. */
const historyToAnybody: MakeBug = () => {
  const pages = new Map<string, ElementValue>()
  return () => {
    const asked = new Map<number, string>()
    return {
      incoming: only('query', (frame) => {
        const query = frame.values['element'] as ElementValue
        if (query.name === 'history') asked.set(frame.values['id'] as number, query.attributes?.['with'] ?? '')
        return [frame]
      }),
      outgoing: (frame) => {
        const conversation = asked.get(frame.values['id'] as number)
        if (conversation === undefined) return [frame]
        if (frame.frame === 'result') pages.set(conversation, frame.values['element'] as ElementValue)
        const page = pages.get(conversation)
        return frame.frame === 'fail' && conversation.startsWith('#') ? [frameOf('result', { id: frame.values['id']!, element: page ?? { name: 'history', attributes: { with: conversation, more: 'false', tail: '0' } } })] : [frame]
      },
    }
  }
}

/** A bind under a token may name any device: the server is told the token's own. */
const anyDeviceByToken: MakeBug = () => () => {
  let device: string | null = null
  return {
    incoming: (frame) => {
      if (frame.frame === 'auth' && frame.values['mechanism'] === 'TOKEN') device = Buffer.from(frame.values['data'] as string, 'hex').toString('latin1').split('\0')[1] ?? null
      return [frame.frame === 'bind' && device !== null ? withValues(frame, { device }) : frame]
    },
  }
}

/** The salt for a name that nobody has is another one each time. */
const newSaltEachTime: MakeBug = () => {
  let count = 0
  return () => {
    let isUnknown = false
    return {
      incoming: only('auth', (frame) => {
        isUnknown = Buffer.from(frame.values['data'] as string, 'hex').toString().includes('n=nobody-')
        return [frame]
      }),
      outgoing: only('challenge', (frame) => {
        if (!isUnknown) return [frame]
        const text = Buffer.from(frame.values['data'] as string, 'hex').toString()
        return [withValues(frame, { data: Buffer.from(text.replace(/,s=..../, `,s=${String(1000 + ++count)}`)).toString('hex') })]
      }),
    }
  }
}

/** Of an unacknowledged entry nothing is known any more: a bind goes on behind all that was ever sent. */
const trustsTheSocket: MakeBug = () => {
  const sentTo = new Map<string, number>()
  return () => {
    let device = ''
    let user = ''
    return {
      incoming: only('bind', (frame) => {
        device = `${user}/${plain(frame.values['device'])}`
        const sent = sentTo.get(device)
        return [sent === undefined ? frame : withValues(frame, { cursor: Math.max(sent, frame.values['cursor'] as number) })]
      }),
      outgoing: (frame) => {
        if (frame.frame === 'authenticated') user = plain(frame.values['user'])
        if (frame.frame === 'delivery') sentTo.set(device, frame.values['index'] as number)
        return [frame]
      },
    }
  }
}

export const serverMutants: readonly ServerMutant[] = [
  { name: 'forgets-retries', bug: 'A message sent again after a reconnect is stored again', caughtBy: ['server/state/outbox/retry', 'server/state/outbox/lost-ack'], make: forgetsRetries },
  { name: 'no-conflict', bug: 'Another message under a client id that was accepted is acked', caughtBy: ['server/state/outbox/conflict/text', 'server/state/outbox/conflict/extension'], make: acksWhat('conflict') },
  { name: 'takes-stale-ids', bug: 'A client id that was passed over is taken later', caughtBy: ['server/state/outbox/stale'], make: acksWhat('stale-client-id') },
  { name: 'takes-forged', bug: 'A client may send entries in the name of others, and is not told off', caughtBy: ['server/framing/unexpected/of-servers/delivery', 'server/framing/unexpected/of-servers/delivery-from'], make: always({ incoming: (frame) => frame.frame === 'delivery' || frame.frame === 'deliveryFrom' ? [] : [frame] }) },
  { name: 'loses-the-queue', bug: 'What waited for a device is lost when it comes back', caughtBy: ['server/state/queue/backlog'], make: losesTheQueue },
  { name: 'trusts-the-socket', bug: 'What was written into a connection counts as delivered, acknowledged or not', caughtBy: ['server/state/queue/until-acknowledged'], make: trustsTheSocket },
  { name: 'done-too-early', bug: 'done comes before the backlog', caughtBy: ['server/state/queue/backlog'], make: doneTooEarly },
  { name: 'no-done', bug: 'done never comes', caughtBy: ['server/opening/bind/knows-nothing'], make: writing('done', () => []) },
  { name: 'wrong-order', bug: 'Two messages change places on their way', caughtBy: ['server/framing/pieces/many-in-one'], make: wrongOrder },
  { name: 'delivers-twice', bug: 'Every message is delivered twice', caughtBy: ['server/state/messages/dense'], make: writing('delivery', (frame) => [frame, frame]) },
  { name: 'watermark-falls', bug: 'A watermark goes back', caughtBy: ['server/state/receipts/delivered'], make: movesBack },
  { name: 'marks-beyond', bug: 'A mark beyond the last message is acked', caughtBy: ['server/state/receipts/beyond/by-one'], make: writing('refuse', (frame) => isError(frame, 'invalid-watermark') ? [] : [frame]) },
  { name: 'any-device-by-token', bug: 'A token opens a session for any device', caughtBy: ['server/opening/tokens/binds-another-device'], make: anyDeviceByToken },
  { name: 'no-frame-limit', bug: 'A frame may be as long as it likes', caughtBy: ['server/framing/sizes/too-large/largest', 'server/framing/sizes/too-large/one-more'], make: always({ isUnlimited: true }) },
  { name: 'forgives-malformed', bug: 'Bytes that make no frame are passed over', caughtBy: ['server/framing/malformed/in-a-session/uint-0-in-two-bytes', 'server/framing/elements/malformed/two-texts'], make: always({ malformed: () => Buffer.alloc(0) }) },
  { name: 'history-to-anybody', bug: 'The history of a group is given to who is no member', caughtBy: ['server/groups/changes/reading-of-others'], make: historyToAnybody },
  { name: 'strips-extensions', bug: 'Extensions that the server does not know are taken out of messages', caughtBy: ['server/framing/growth/odd-extension-of-a-message'], make: reading('message', (frame) => [{ ...frame, extensions: {} }]) },
  { name: 'trims', bug: 'White space around a text is taken away', caughtBy: ['server/state/messages/as-it-is/spaces'], make: reading('message', (frame) => typeof frame.values['text'] === 'string' ? [withValues(frame, { text: frame.values['text'].trim() })] : [frame]) },
  { name: 'tells-who-exists', bug: 'The salt shown for an unknown user is another one each time', caughtBy: ['server/opening/scram/unknown-is-alike'], make: newSaltEachTime },
  { name: 'wrong-pong', bug: 'Every pong has the nonce 0', caughtBy: ['server/framing/keep-alive/ping/1'], make: writing('pong', (frame) => [withValues(frame, { nonce: 0 })]) },
  { name: 'own-devices-forgotten', bug: 'What a user sends does not come to its other devices', caughtBy: ['server/state/queue/own-other-devices'], make: writing('deliveryFrom', (frame) => plain(frame.values['conversation']).startsWith('#') ? [frame] : [frameOf('skip', { index: frame.values['index']! })]) },
  { name: 'reads-aloud', bug: 'The setting read-receipts is not kept to', caughtBy: ['server/state/receipts/switched-off'], make: always({ incoming: only('query', (frame) => (frame.values['element'] as ElementValue).name === 'settings' ? [withValues(frame, { element: { name: 'settings', attributes: { 'read-receipts': 'on' } } })] : [frame]) }) },
  { name: 'no-replaced', bug: 'Two connections of one device go on side by side', caughtBy: ['server/opening/bind/replaced'], make: writing('close', (frame) => isError(frame, 'replaced') ? [] : [frame]) },
  { name: 'silent-end', bug: 'Connections end without close', caughtBy: ['server/framing/growth/even-type/free'], make: writing('close', () => []) },
  { name: 'wide-window', bug: 'The window that a device asks for is not kept to', caughtBy: ['server/state/queue/window'], make: always({ incoming: only('bind', (frame) => [withValues(frame, { window: 1024 })]), outgoing: only('welcome', (frame) => [withValues(frame, { window: 4 })]) }) },
  { name: 'welcome-first', bug: 'welcome comes before authenticated', caughtBy: ['server/opening/bind/one-flight'], make: writing('authenticated', () => []) },
]
