/** Logs in which all is well, and ways to spoil them: the proof that the checker can fail. */
import type { DeviceEvent, DeviceLog } from './record.js'

type Message = Extract<DeviceEvent, { kind: 'message' }>

/** alice (phone, tablet) and bob (phone) have sent 20 messages each, alternating; everybody has everything, and alice was told so. */
export function goodLogs(): DeviceLog[] {
  const phone: DeviceEvent[] = []
  const tablet: DeviceEvent[] = []
  const bob: DeviceEvent[] = []
  let at = 0
  for (let seq = 1; seq <= 40; seq++) {
    const [from, to, own, far] = seq % 2 === 1 ? ['alice', 'bob', phone, bob] as const : ['bob', 'alice', bob, phone] as const
    const text = `${from}#${seq}`
    const message = { kind: 'message', from, seq, index: 2 * seq, timeMs: 1000 + seq, text } as const
    own.push({ kind: 'send', at: ++at, to, text }, { kind: 'ack', at: ++at, to, text, seq, timeMs: 1000 + seq })
    far.push({ ...message, at: ++at, conversation: from })
    tablet.push({ ...message, at: ++at, conversation: 'bob' })
    if (seq % 2 === 0) continue
    for (const mark of ['delivered', 'read'] as const) {
      if (mark === 'read') bob.push({ kind: 'read', at: ++at, conversation: 'alice', seq })
      phone.push({ kind: 'told', at: ++at, conversation: 'bob', member: 'bob', mark, seq })
    }
  }
  return [
    { user: 'alice', device: 'phone', events: phone },
    { user: 'alice', device: 'tablet', events: tablet },
    { user: 'bob', device: 'phone', events: bob },
  ]
}

export interface Planted {
  readonly name: string
  readonly plant: (logs: readonly DeviceLog[]) => DeviceLog[]
  readonly expect: RegExp
}

/** Changes the events of one device that has received enough; works on real logs, too. */
function spoil(logs: readonly DeviceLog[], change: (events: DeviceEvent[], messages: number[]) => void): DeviceLog[] {
  const found = logs.findIndex(({ events }) => messagesOf(events).length >= 4)
  return logs.map((log, at) => {
    if (at !== found) return log
    const events = [...log.events]
    change(events, messagesOf(events))
    return { ...log, events }
  })
}

/** Places of the messages that others sent. */
function messagesOf(events: readonly DeviceEvent[]): number[] {
  return events.flatMap((event, at) => event.kind === 'message' && event.from === event.conversation ? [at] : [])
}

function replace<K extends DeviceEvent['kind']>(
  logs: readonly DeviceLog[], kind: K, change: (event: Extract<DeviceEvent, { kind: K }>) => DeviceEvent,
): DeviceLog[] {
  let isDone = false
  return logs.map((log) => ({
    ...log,
    events: log.events.map((event) => {
      if (isDone || event.kind !== kind) return event
      isDone = true
      return change(event as Extract<DeviceEvent, { kind: K }>)
    }),
  }))
}

/** The three that every proof plants into its own logs, before it may call them clean; then those for the checker's own test. */
export const PLANTED: readonly Planted[] = [
  {
    name: 'a message dropped at one device',
    plant: (logs) => spoil(logs, (events, messages) => {
      const dropped = events[messages[1]!]
      // Where a process was killed it may have come twice.
      events.splice(0, Infinity, ...events.filter((event) => event.kind !== 'message' || dropped?.kind !== 'message' || event.index !== dropped.index))
    }),
    expect: /is missing at/,
  },
  {
    name: 'a message doubled at one device',
    plant: (logs) => spoil(logs, (events, messages) => { events.splice(messages[1]! + 1, 0, events[messages[1]!]!) }),
    expect: /came after entry/,
  },
  {
    name: 'two messages swapped at one device',
    plant: (logs) => spoil(logs, (events, messages) => {
      const [first, second] = twoOfOneConversation(events, messages)
      const [a, b] = [events[first] as Message, events[second] as Message]
      events[first] = { ...b, index: a.index }
      events[second] = { ...a, index: b.index }
    }),
    expect: /came after \d/,
  },
  {
    name: 'a message doubled under a new index',
    plant: (logs) => spoil(logs, (events, messages) => { events.push({ ...events[messages.at(-1)!] as Message, index: 1e6 }) }),
    expect: /came twice/,
  },
  { name: 'another seq at the sender', plant: (logs) => replace(logs, 'ack', (event) => ({ ...event, seq: event.seq + 1 })), expect: /elsewhere|stored twice/ },
  { name: 'another text at the recipient', plant: (logs) => replace(logs, 'message', (event) => ({ ...event, text: 'forged' })), expect: /which nobody sent/ },
  { name: 'another sender', plant: (logs) => replace(logs, 'message', (event) => ({ ...event, from: 'mallory' })), expect: /said to be from mallory/ },
  { name: 'another time', plant: (logs) => replace(logs, 'message', (event) => ({ ...event, timeMs: event.timeMs + 1 })), expect: /has the time/ },
  { name: 'a wrong conversation', plant: (logs) => replace(logs, 'message', (event) => ({ ...event, conversation: 'carol' })), expect: /turned up in the conversation/ },
  { name: 'a receipt for what nobody has', plant: (logs) => replace(logs, 'told', (event) => ({ ...event, seq: 1000 })), expect: /never happened/ },
  { name: 'a receipt too early', plant: (logs) => replace(logs, 'told', (event) => ({ ...event, at: 1 })), expect: /too early/ },
  {
    name: 'a watermark that falls',
    plant: (logs) => logs.map((log) => log.device === 'phone' && log.user === 'alice'
      ? { ...log, events: [...log.events, { kind: 'told', at: 1e6, conversation: 'bob', member: 'bob', mark: 'read', seq: 1 }] }
      : log),
    expect: /fell from/,
  },
  {
    name: 'messages stored in another order than they were sent',
    plant: (logs) => logs.map((log) => {
      const sends = log.events.filter((event) => event.kind === 'send').reverse()
      return { ...log, events: log.events.map((event) => event.kind === 'send' ? sends.shift() ?? event : event) }
    }),
    expect: /was sent behind/,
  },
  { name: 'a device that saw the protocol broken', plant: (logs) => [...logs, { user: 'carol', device: 'x', events: [{ kind: 'broken', at: 1, what: 'a gap' }] }], expect: /a gap/ },
]

function twoOfOneConversation(events: readonly DeviceEvent[], messages: readonly number[]): [number, number] {
  const seen = new Map<string, number>()
  for (const at of messages) {
    const { conversation } = events[at] as Message
    const before = seen.get(conversation)
    if (before !== undefined) return [before, at]
    seen.set(conversation, at)
  }
  throw new Error('too few messages to plant a fault')
}
