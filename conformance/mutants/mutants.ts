/**
 * Clients with one planted bug each, of the kinds that users of other systems suffer: the proof that the suite finds what it is for. Each
 * is the reference client with one wrong part, and names the cases that have to catch it.
 */
import { rightParts } from '../adapters/parts.js'
import type { Parts } from '../adapters/parts.js'
import type { Shown } from '../adapters/screen.js'
import type { WireFrame } from '../runner/decode.js'
import { errorCode } from '../runner/step-parts.js'
import type { ElementValue } from '../spec/wire.js'
import type { Platform } from '../../protocol/client/driver.js'
import type { ClientStorage, StorageChange } from '../../protocol/client/state.js'
import { rewired, withValues } from './rewire.js'

export interface Mutant {
  readonly name: string
  /** What it does wrong, in a sentence. */
  readonly bug: string
  /** Cases that fail because of it; the first one names it. */
  readonly caughtBy: readonly string[]
  readonly parts: Partial<Parts>
}

/** Frames of one kind that come are changed; null takes one away. */
function reading(name: string, change: (frame: WireFrame) => WireFrame | null): Partial<Parts> {
  return { platform: rewired(() => ({ incoming: (frame) => only(frame, name, change) })) }
}

/** The same for what goes out. */
function writing(name: string, change: (frame: WireFrame) => WireFrame | null): Partial<Parts> {
  return { platform: rewired(() => ({ outgoing: (frame) => only(frame, name, change) })) }
}

function only(frame: WireFrame, name: string, change: (frame: WireFrame) => WireFrame | null): readonly WireFrame[] {
  if (frame.frame !== name) return [frame]
  const changed = change(frame)
  return changed === null ? [] : [changed]
}

function errorBecomes(frame: WireFrame, from: string, to: string): WireFrame {
  return frame.values['error'] === errorCode(from) ? withValues(frame, { error: errorCode(to) }) : frame
}

/** A storage that says it has stored what `isLost` lets it forget. */
function forgetting(isLost: (change: StorageChange, count: number) => boolean): Partial<Parts> {
  return {
    storage: (storage: ClientStorage): ClientStorage => {
      let count = 0
      return {
        load: () => storage.load(),
        apply: (changes) => storage.apply(changes.filter((change) => !isLost(change, count++))),
        close: () => storage.close(),
      }
    },
  }
}

function withRandom(random: () => number): Partial<Parts> {
  return { platform: (platform: Platform) => ({ ...platform, random }) }
}

function showing(shown: Parts['shown']): Partial<Parts> {
  return { shown }
}

function isOperation(shown: Shown, kind: string): boolean {
  return shown.what === 'operation' && shown.kind === kind
}

/** Messages of others that come under an index which came before: the client shows them once more. */
function repeating(key: Parts['key']): Partial<Parts> {
  const again: Shown[] = []
  const seen = new Set<string>()
  return {
    platform: rewired(() => ({
      incoming: (frame) => {
        if (frame.frame !== 'delivery') return [frame]
        const conversation = frame.values['conversation'] as string
        const seq = frame.values['seq'] as number
        const text = frame.values['text'] as string
        const place = `${conversation} ${String(seq)}`
        if (seen.has(place)) again.push({ what: 'message', conversation, seq, from: conversation, text, expiresMs: 0, incomplete: false, change: false })
        seen.add(place)
        return [frame]
      },
    })),
    shown: (shown) => [...again.splice(0), shown],
    key,
  }
}

/** Client ids that differ from connection to connection, as if each were new. */
function freshIds(): Partial<Parts> {
  return {
    platform: rewired(() => {
      let life = -1
      const shift = (frame: WireFrame, by: number): readonly WireFrame[] => {
        const id = frame.values['clientId']
        return [typeof id === 'number' ? withValues(frame, { clientId: id + by * 1000 }) : frame]
      }
      return { connected: () => { life++ }, outgoing: (frame) => shift(frame, life), incoming: (frame) => shift(frame, -life) }
    }),
  }
}

/** What was refused last goes again first. */
function lastRefusedFirst(): Partial<Parts> {
  return {
    platform: rewired(() => {
      const texts = new Map<unknown, unknown>()
      const refused: unknown[] = []
      return {
        incoming: (frame) => {
          if (frame.frame === 'refuse') refused.push(texts.get(frame.values['clientId']))
          return [frame]
        },
        outgoing: (frame) => {
          if (frame.frame !== 'message') return [frame]
          const sent = refused.length > 0 ? withValues(frame, { text: refused.pop() as string }) : frame
          texts.set(sent.values['clientId'], sent.values['text'])
          return [sent]
        },
      }
    }),
  }
}

/** Entries are numbered as they come, so that none seems to be missing. */
function blindForGaps(): Partial<Parts> {
  return {
    platform: rewired(() => {
      let next = 0
      return {
        incoming: (frame) => {
          if (frame.frame === 'welcome') next = frame.values['cursor'] as number
          return typeof frame.values['index'] === 'number' && frame.frame !== 'done' ? [withValues(frame, { index: ++next })] : [frame]
        },
      }
    }),
  }
}

function storingLate(): Partial<Parts> {
  return {
    storage: (storage) => ({
      load: () => storage.load(),
      apply: (changes) => {
        const isEntry = changes.some(({ kind }) => kind === 'cursor') && !changes.some(({ kind }) => kind === 'token')
        if (!isEntry) return storage.apply(changes)
        // Sooner or later.
        setTimeout(() => { storage.apply(changes).catch(() => {}) }, 2000)
        return Promise.resolve()
      },
      close: () => storage.close(),
    }),
  }
}

/** The token that it was given first is the one that it keeps. */
function firstTokenOnly(): Partial<Parts> {
  return {
    storage: (storage) => {
      let hasToken = false
      return {
        load: async () => {
          const state = await storage.load()
          hasToken = state.token !== null
          return state
        },
        apply: (changes) => {
          const kept = changes.filter(({ kind }) => kind !== 'token' || !hasToken)
          hasToken ||= changes.some(({ kind }) => kind === 'token')
          return storage.apply(kept)
        },
        close: () => storage.close(),
      }
    },
  }
}

/** Takes any server for the right one: whatever signature comes is replaced by the one that was expected. */
function trusting(): Partial<Parts> {
  return {
    platform: (platform) => {
      let expected = new Uint8Array(0)
      const wired = rewired(() => ({
        incoming: (frame) => only(frame, 'authenticated', (one) => (
          one.values['data'] === '' && expected.length === 0 ? one
            : withValues(one, { data: Buffer.from(`v=${Buffer.from(expected).toString('base64')}`).toString('hex') })
        )),
      }))(platform)
      const crypto = {
        ...platform.crypto,
        hmac: async (key: Uint8Array, data: Uint8Array): Promise<Uint8Array> => {
          const value = await platform.crypto.hmac(key, data)
          expected = new Uint8Array(value)
          return value
        },
      }
      return { ...wired, crypto }
    },
  }
}

function challengeBecomes(change: (text: string) => string): Partial<Parts> {
  return reading('challenge', (frame) => withValues(frame, { data: Buffer.from(change(Buffer.from(frame.values['data'] as string, 'hex').toString())).toString('hex') }))
}

/** Says close as well, though the other side has. */
function answeringClose(): Partial<Parts> {
  return {
    platform: rewired(() => {
      let answer: readonly WireFrame[] = []
      return {
        connected: () => { answer = [] },
        incoming: (frame) => {
          if (frame.frame === 'close') answer = [withValues(frame, { host: '', retryAfterMs: 0, reason: '' })]
          return [frame]
        },
        ending: () => answer,
      }
    }),
  }
}

function withoutExtensions(frame: WireFrame): WireFrame {
  return { ...frame, extensions: {} }
}

/** Watermarks are what the last receipt said. */
function lastReceiptHolds(): Partial<Parts> {
  const marks = new Map<string, Record<string, number>>()
  return {
    ...reading('receipt', (frame) => {
      const conversation = frame.values['conversation'] as string
      const known = marks.get(conversation) ?? {}
      known[frame.values['mark'] === 1 ? 'delivered' : 'read'] = frame.values['seq'] as number
      marks.set(conversation, known)
      return frame
    }),
    dump: (dump) => ({ ...dump, watermarks: { ...dump['watermarks'] as object, ...Object.fromEntries(marks) } }),
  }
}

/** Who was online once stays so. */
function neverOffline(): Partial<Parts> {
  const online = new Set<string>()
  return {
    ...reading('presence', (frame) => {
      if (frame.values['state'] === 1) online.add(frame.values['user'] as string)
      return frame
    }),
    dump: (dump) => ({ ...dump, presence: { ...dump['presence'] as object, ...Object.fromEntries([...online].map((user) => [user, 'online'])) } }),
  }
}

/** Dice that fall alike after each start. */
function sameDice(): Partial<Parts> {
  let drawn = 0
  return withRandom(() => (drawn++ * 0.618 + 0.4) % 1)
}

/** Drops an operation whose message it does not have. */
function forgettingWhatIsEarly(): Partial<Parts> {
  const seen = new Set<string>()
  return showing((shown) => {
    if (shown.what === 'message') seen.add(`${shown.conversation} ${String(shown.seq)}`)
    return shown.what === 'operation' && !seen.has(`${shown.conversation} ${String(shown.target)}`) ? [] : [shown]
  })
}

/** The user's own messages count as unread too. */
function countingOwn(): Partial<Parts> {
  return {
    dump: (dump) => {
      const own = (dump['messages'] as readonly { readonly conversation: string; readonly from: string }[]).filter(({ from }) => from === 'alice')
      const counts = Object.entries(dump['unread'] as Readonly<Record<string, number>>)
      return { ...dump, unread: Object.fromEntries(counts.map(([name, count]) => [name, count + own.filter(({ conversation }) => conversation === name).length])) }
    },
  }
}

/** Whatever it downloaded has the hash that the server told. */
function believingInFiles(): Partial<Parts> {
  let told = ''
  return {
    platform: (platform) => ({
      ...rewired(() => ({
        incoming: (frame) => {
          const element = frame.values['element'] as ElementValue | undefined
          if (element?.name === 'blob-url') told = element.attributes?.['hash'] ?? ''
          return [frame]
        },
      }))(platform),
      blobs: { ...platform.blobs, newHash: () => ({ ...platform.blobs.newHash(), update: () => {}, digest: () => Promise.resolve(told) }) },
    }),
  }
}

export const mutants: readonly Mutant[] = [
  { name: 'acks-before-it-stores', bug: 'acknowledges entries before they are on stable storage', caughtBy: ['state/queue/acknowledged-is-bound'], parts: storingLate() },
  { name: 'shows-duplicates', bug: 'shows what comes again once more', caughtBy: ['faults/connections/doubled'], parts: repeating((_seq, count) => count) },
  { name: 'later-one-wins', bug: 'lets a message under a known seq take the place of the first', caughtBy: ['security/forged/seq-used-twice'], parts: repeating((seq) => seq) },
  { name: 'order-of-arrival', bug: 'shows messages in the order in which it heard of them', caughtBy: ['faults/connections/both-ways-at-once'], parts: { key: (_seq, count) => count } },
  { name: 'forgets-the-outbox', bug: 'keeps its outbox in memory alone', caughtBy: ['state/outbox/kept-over-a-kill', 'state/outbox/kept-before-connecting'], parts: forgetting(({ kind }) => kind === 'outboxPut') },
  { name: 'new-id-for-a-retry', bug: 'gives a message a new client id after a lost connection', caughtBy: ['state/outbox/lost-ack'], parts: freshIds() },
  { name: 'last-refused-first', bug: 'sends again in the wrong order what was refused for a time', caughtBy: ['state/outbox/order-over-refusals/first'], parts: lastRefusedFirst() },
  { name: 'no-jitter', bug: 'waits the whole bound before it reconnects', caughtBy: ['opening/back-off/jitter', 'opening/back-off/at-the-cap'], parts: withRandom(() => 0.999) },
  { name: 'same-dice', bug: 'draws the same waits after each start, so that all come back at once', caughtBy: ['opening/back-off/mass-disconnect'], parts: sameDice() },
  { name: 'at-once', bug: 'reconnects at once', caughtBy: ['opening/back-off/jitter'], parts: withRandom(() => 0) },
  { name: 'deaf-for-retry-after', bug: 'does not wait as long as the server asks for', caughtBy: ['framing/close/retry-after'], parts: reading('close', (frame) => withValues(frame, { retryAfterMs: 0 })) },
  { name: 'impatient', bug: 'sends a refused message again too soon', caughtBy: ['state/outbox/retried/rate-limited'], parts: reading('refuse', (frame) => withValues(frame, { retryAfterMs: 0 })) },
  { name: 'never-gives-up', bug: 'sends again what was refused for good', caughtBy: ['state/outbox/refused/no-such-user'], parts: reading('refuse', (frame) => errorBecomes(frame, 'no-such-user', 'rate-limited')) },
  { name: 'gives-up', bug: 'drops a message that was refused for the moment', caughtBy: ['state/outbox/retried/rate-limited'], parts: reading('refuse', (frame) => errorBecomes(frame, 'rate-limited', 'not-allowed')) },
  { name: 'written-is-sent', bug: 'shows a message as sent before it is acked', caughtBy: ['state/outbox/not-acked-is-not-sent'], parts: showing((shown) => shown.what === 'queued' ? [shown, { what: 'sent', handle: shown.handle, kind: 'message', to: shown.to, seq: 1, expiresMs: 0 }] : [shown]) },
  { name: 'greedy', bug: 'has more stanzas without an answer than it may', caughtBy: ['opening/bind/few-at-a-time'], parts: reading('welcome', (frame) => withValues(frame, { unacknowledgedMax: 1024 })) },
  { name: 'comes-back-when-replaced', bug: 'takes replaced for a lost connection, so that two copies throw each other out', caughtBy: ['framing/close/stays-away/replaced'], parts: reading('close', (frame) => errorBecomes(frame, 'replaced', 'closed')) },
  { name: 'stays-away', bug: 'does not come back when the server was restarted', caughtBy: ['framing/close/comes-back/shutting-down'], parts: reading('close', (frame) => errorBecomes(frame, 'shutting-down', 'internal-error') === frame ? frame : withValues(frame, { error: errorCode('malformed-frame') })) },
  { name: 'answers-close', bug: 'answers close with close', caughtBy: ['framing/close/not-answered/closed', 'framing/close/not-answered/malformed-frame'], parts: answeringClose() },
  { name: 'blind-for-gaps', bug: 'does not notice that an entry is missing', caughtBy: ['state/queue/gap'], parts: blindForGaps() },
  { name: 'lazy', bug: 'acknowledges only now and then', caughtBy: ['state/messages/acknowledged-in-time/message'], parts: writing('cursor', (frame) => (frame.values['index'] as number) % 50 === 0 ? frame : null) },
  { name: 'acks-too-much', bug: 'acknowledges an entry that it was never sent', caughtBy: ['state/messages/a-message-comes'], parts: writing('cursor', (frame) => withValues(frame, { index: frame.values['index'] as number + 1 })) },
  { name: 'answers-no-ping', bug: 'does not answer pings', caughtBy: ['framing/keep-alive/pong/0'], parts: writing('pong', () => null) },
  { name: 'other-nonce', bug: 'answers a ping with a nonce of its own', caughtBy: ['framing/keep-alive/pong/127'], parts: writing('pong', (frame) => withValues(frame, { nonce: 1 })) },
  { name: 'silent', bug: 'says nothing for longer than keepAliveMs', caughtBy: ['framing/keep-alive/sign-of-life'], parts: writing('ping', () => null) },
  { name: 'skips-what-is-critical', bug: 'ignores frames that it must not ignore', caughtBy: ['framing/growth/unknown-even-frame/without-a-body'], parts: { platform: rewired(() => ({ unknown: (type, bytes) => type % 2 === 0 ? new Uint8Array(0) : bytes })) } },
  { name: 'chokes-on-growth', bug: 'closes on an optional frame of a later version', caughtBy: ['framing/growth/unknown-odd-frame/with-a-body'], parts: { platform: rewired(() => ({ unknown: (type, bytes) => type % 2 === 0 ? bytes : Uint8Array.of(0) })) } },
  { name: 'hides-what-it-cannot-show', bug: 'shows a message with an unknown critical extension as any other', caughtBy: ['framing/growth/critical-extension-of-a-message/unknown'], parts: reading('delivery', withoutExtensions) },
  {
    name: 'accepts-forged-from', bug: 'takes the sender of a message from what its sender wrote', caughtBy: ['security/forged/sender-by-the-frame-alone'],
    parts: reading('delivery', (frame) => {
      const forged = frame.extensions[1005]
      if (forged === undefined) return frame
      return { ...frame, frame: 'deliveryFrom', values: { ...frame.values, from: Buffer.from(forged, 'hex').toString() } }
    }),
  },
  { name: 'watermark-backwards', bug: 'lets a watermark fall', caughtBy: ['state/receipts/never-falls'], parts: lastReceiptHolds() },
  { name: 'watermark-of-what-is-not', bug: 'shows a watermark beyond the last message', caughtBy: ['state/receipts/not-beyond-what-is'], parts: lastReceiptHolds() },
  { name: 'trusts-any-server', bug: 'does not check the signature of the server', caughtBy: ['opening/scram/server-unproven/wrong'], parts: trusting() },
  { name: 'one-iteration', bug: 'takes as few iterations as the server likes', caughtBy: ['opening/scram/bad-challenge/one-iteration'], parts: challengeBecomes((text) => text.replace(/i=1$/, 'i=4096')) },
  { name: 'same-nonce', bug: 'uses one nonce for all exchanges', caughtBy: ['opening/scram/new-nonce'], parts: { platform: (platform) => ({ ...platform, crypto: { ...platform.crypto, randomBytes: (size) => new Uint8Array(size).fill(7) } }) } },
  { name: 'forgets-the-new-token', bug: 'keeps using a token after it was given a new one', caughtBy: ['opening/tokens/rotated'], parts: firstTokenOnly() },
  { name: 'stays-where-it-is', bug: 'does not go to the host that it is sent to', caughtBy: ['opening/go-to-host/goes'], parts: reading('close', (frame) => withValues(frame, { host: '' })) },
  { name: 'misses-what-it-missed', bug: 'does not fetch what it missed when it is told too old', caughtBy: ['state/too-old/fetches'], parts: reading('result', (frame) => withValues(frame, { element: { name: 'conversations', attributes: { more: 'false' } } })) },
  { name: 'keeps-the-deleted', bug: 'goes on showing a message that was deleted', caughtBy: ['state/operations/deleted'], parts: showing((shown) => isOperation(shown, 'delete') ? [] : [shown]) },
  { name: 'deaf-for-edits', bug: 'goes on showing the text from before an edit', caughtBy: ['state/operations/edited'], parts: showing((shown) => isOperation(shown, 'edit') ? [] : [shown]) },
  { name: 'forgets-what-is-early', bug: 'shows a deleted message whose page the deletion overtook', caughtBy: ['state/operations/delete-before-its-page'], parts: forgettingWhatIsEarly() },
  { name: 'counts-its-own', bug: 'counts messages of its own as unread', caughtBy: ['state/unread/of-others'], parts: countingOwn() },
  { name: 'believes-in-files', bug: 'does not check the hash of what it downloaded', caughtBy: ['state/downloads/damaged/others'], parts: believingInFiles() },
  { name: 'iterations-of-its-own', bug: 'registers with other iterations than the server asks for', caughtBy: ['opening/register/registers/more-iterations'], parts: reading('features', (frame) => ({ ...frame, extensions: frame.extensions[113] === undefined ? {} : { 113: '018020' } })) },
  { name: 'hides-changes', bug: 'shows nothing of a change of a group that it does not know', caughtBy: ['state/groups/unknown-change'], parts: showing((shown) => shown.what === 'message' && shown.change && shown.text === 'teleport' ? [] : [shown]) },
  { name: 'keeps-what-expired', bug: 'goes on showing a message whose time has passed', caughtBy: ['state/disappearing/gone'], parts: showing((shown) => [shown.what === 'message' ? { ...shown, expiresMs: 0 } : shown]) },
  { name: 'types-for-ever', bug: 'shows typing beyond its time', caughtBy: ['state/presence/typing-expires'], parts: reading('typingFrom', (frame) => withValues(frame, { expiresMs: 60_000 })) },
  { name: 'online-for-ever', bug: 'shows somebody online on the word of a connection that is gone', caughtBy: ['state/presence/forgotten-with-the-connection'], parts: neverOffline() },
  { name: 'trims', bug: 'changes the text of a message', caughtBy: ['state/messages/text-as-it-is/spaces'], parts: showing((shown) => [shown.what === 'message' ? { ...shown, text: shown.text.trim() } : shown]) },
  {
    name: 'trusts-anybody', bug: 'takes any certificate', caughtBy: ['security/tls/untrusted/other-issuer', 'security/tls/untrusted/other-name', 'security/tls/untrusted/expired', 'security/tls/untrusted/wss-other-issuer'],
    parts: {
      platform: (platform) => {
        process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
        return platform
      },
    },
  },
  {
    name: 'hides-that-it-can-bind', bug: 'does not say that it could have bound to the channel', caughtBy: ['security/tls/stripped-plus', 'security/tls/binds-to-the-channel'],
    parts: {
      platform: (platform) => ({
        ...platform,
        connect: async (...connection) => {
          const transport = await platform.connect(...connection)
          return { channelBinding: null, write: (frames) => { transport.write(frames) }, close: (code) => transport.close(code), drop: () => { transport.drop() } }
        },
      }),
    },
  },
]

export function partsOf(mutant: Mutant): Parts {
  return { ...rightParts, ...mutant.parts }
}
