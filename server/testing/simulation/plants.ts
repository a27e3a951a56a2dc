/** Bugs to be planted in a server: what the simulation is worth shows in whether it finds them. */
import type { Frame } from '../../../protocol/generated/frames.js'
import { isGroup } from '../../../protocol/address.js'
import { ERROR, FRAME, OPERATION } from '../../../protocol/generated/registry.js'
import { type DeviceSink, RouterError } from '../../router/router.js'
import type { Feed, FeedHost } from '../../shard/feed.js'
import { encodeCheckpoint, encodeConversation, encodeWatermark } from '../../shard/records.js'
import type { ConversationState } from '../../shard/conversation-state.js'
import { Answer, Route } from '../../shard/transaction.js'
import { decodeEntries, joinEntries } from '../entries.js'
import { UNTOUCHED } from '../../operations/message-state.js'
import type { Entry } from '../../../storage/engine.js'
import { conversationKeys } from '../../../storage/conversation-keys.js'
import { ACQUAINTANCES } from '../../profiles/pair.js'
import type { SimServer } from './server.js'

const LIFE_IDS = 100_000

/** The server takes what it has written for what the device has stored. */
export function cursorMovesOnWrite(server: SimServer): void {
  onEntry(server, (feed, frame) => {
    if ('index' in frame) server.shard.receipts.moveCursor(feed.user, feed.device, frame.index)
    return null
  })
}

/** The server tells a sender that a message was delivered when it has been sent. */
export function deliveredOnWrite(server: SimServer): void {
  onEntry(server, (feed, frame) => {
    if (frame.type === FRAME.delivery) server.shard.receipts.delivered(feed.user, frame.conversation, frame.seq, () => undefined)
    return null
  })
}

/** Merging receipts keeps another than the highest. */
export function receiptsFall(server: SimServer): void {
  onEntry(server, (_, frame) => {
    if (frame.type !== FRAME.receipt || frame.seq < 3) return null
    return { ...frame, seq: 1 }
  })
}

/** What a member may read has no end: who was removed reads on. */
export function removedStillReads(server: SimServer): void {
  const history = server.router.history.bind(server.router)
  server.router.history = async (user, conversation, request) => {
    if (!isGroup(conversation)) return history(user, conversation, request)
    const { group } = await server.shard.conversation(conversation)
    const former = group?.former.get(user)
    former?.intervals.forEach((interval) => { interval.to = Infinity })
    return history(user, conversation, request)
  }
}

/** A message to the group reaches all members but one. */
export function fanOutMissesOne(server: SimServer): void {
  const { messages } = server.shard
  const acceptNow = messages.acceptNow.bind(messages)
  messages.acceptNow = (route, feed, clientId, text, extensions) => {
    const isFull = route.conversation.group !== null && route.users.length > 1 && route.users.at(-1) !== feed.user
    return acceptNow(isFull ? new Route(route.conversation, route.users.slice(0, -1)) : route, feed, clientId, text, extensions)
  }
}

/** A watermark of one member is told for that of all. */
export function oneMemberIsAll(server: SimServer): void {
  const { receipts } = server.shard
  const deliverNow = receipts.deliverNow.bind(receipts)
  receipts.deliverNow = (route, user, seq) => {
    if (route.conversation.group !== null) for (const member of route.users) deliverNow(route, member, seq)
    else deliverNow(route, user, seq)
  }
}

/** After a restart the server no longer knows which client ids it has accepted: they all look new to it. */
export function retriesForgotten(): (server: SimServer) => void {
  let life = 0
  return (server) => {
    const offset = LIFE_IDS * life++
    const { router } = server
    const [attach, message, mark] = [router.attach.bind(router), router.message.bind(router), router.mark.bind(router)]
    const operate = router.operate.bind(router)
    router.attach = (request, sink) => attach(request, withIds(sink, offset))
    router.message = (attachment, clientId, to, text, extensions) => {
      message(attachment, clientId + offset, to, text, extensions)
    }
    router.operate = (attachment, clientId, conversation, target, kind, text) => {
      operate(attachment, clientId + offset, conversation, target, kind, text)
    }
    router.mark = (attachment, clientId, conversation, kind, seq) => {
      mark(attachment, clientId + offset, conversation, kind, seq)
    }
  }
}

function withIds(sink: DeviceSink, offset: number): DeviceSink {
  return {
    acked: (clientId, seq, timeMs) => sink.acked(clientId - offset, seq, timeMs),
    refused: (clientId, error, retryAfterMs) => sink.refused(clientId - offset, error, retryAfterMs),
    entries: (frames, last, count) => sink.entries(frames, last, count),
    done: (index) => sink.done(index),
    presence: (user, state, lastSeenMs) => sink.presence(user, state, lastSeenMs),
    typing: (conversation, from, kind, expiresMs) => sink.typing(conversation, from, kind, expiresMs),
    declined: (frame, names, error, retryAfterMs) => sink.declined(frame, names, error, retryAfterMs),
    ended: (error) => sink.ended(error),
  }
}

/** Calls `plant` for every entry that is sent; what it returns is sent in its place. */
function onEntry(server: SimServer, plant: (feed: Feed, frame: Frame) => Frame | null): void {
  const { sessions } = server.shard
  const add = sessions.add.bind(sessions)
  sessions.add = (feed) => {
    add(feed)
    const { sink } = feed
    const entries = sink.entries.bind(sink)
    sink.entries = (bytes, last, count) => {
      entries(joinEntries(decodeEntries(bytes).map((frame) => plant(feed, frame) ?? frame)), last, count)
    }
  }
}

/** What others have reacted with before is forgotten by the next who reacts. */
export function reactionsLost(server: SimServer): void {
  const { operations } = server.shard
  const operateNow = operations.operateNow.bind(operations)
  operations.operateNow = (route, feed, command, target) => {
    operateNow(route, feed, command, target === null ? null : { ...target, state: UNTOUCHED })
  }
}

/** An operation is done once more: what it was done to is looked at as it was before. */
export function operationsTwice(server: SimServer): void {
  onOperation(server, (operate) => {
    operate()
    operate()
  })
}

/** The same of edits, and only the first is answered. */
export function editsTwice(server: SimServer): void {
  onOperation(server, (operate, { operation }) => {
    operate()
    if (operation !== OPERATION.edit) return
    const { answers } = server.shard.transaction
    const answered = answers.length
    operate()
    answers.splice(answered)
  })
}

/** The log keeps what was deleted. */
export function deletedIsKept(server: SimServer): void {
  onOperation(server, (operate, { operation }, route, target) => {
    operate()
    if (operation !== OPERATION.delete || target === null) return
    server.shard.transaction.batch.put(conversationKeys(route.conversation.name).log(target.last), target.row)
  })
}

/** Queues keep what was deleted, for devices that come later. */
export function deletedIsQueued(server: SimServer): void {
  onOperation(server, (operate, { operation }, route) => {
    operate()
    if (operation === OPERATION.delete) for (const user of route.users) user.erasures = null
  })
}

/** Whoever may post may delete what others have written. */
export function everybodyIsAdmin(server: SimServer): void {
  onOperation(server, (operate, _, route) => {
    const memberships = route.conversation.members.flatMap(({ membership }) => membership?.role === 'member' ? [membership] : [])
    for (const membership of memberships) membership.role = 'admin'
    operate()
    for (const membership of memberships) membership.role = 'member'
  })
}

/** A message does not ask who has blocked whom. */
export function blocksIgnored(server: SimServer): void {
  const { messages } = server.shard
  const acceptNow = messages.acceptNow.bind(messages)
  messages.acceptNow = (route, feed, clientId, text, extensions) => {
    const { conversation } = route
    const { pair } = conversation
    if (pair !== null) conversation.pair = ACQUAINTANCES
    const isDone = acceptNow(route, feed, clientId, text, extensions)
    if (pair !== null) conversation.pair = pair
    return isDone
  }
}

/** A blocked user is told what the blocker receives. */
export function blockedAreTold(server: SimServer): void {
  const { receipts } = server.shard
  const deliverNow = receipts.deliverNow.bind(receipts)
  receipts.deliverNow = (route, user, seq) => {
    const { conversation } = route
    const { pair } = conversation
    if (pair !== null) conversation.pair = ACQUAINTANCES
    deliverNow(route, user, seq)
    if (pair !== null) conversation.pair = pair
  }
}

/** What is asked for by queries is answered before it is on disk. */
export function answersEarly(server: SimServer): void {
  server.shard.committed = () => Promise.resolve()
}

/** An invite forgets that it was used. */
export function invitesUsedAgain(server: SimServer): void {
  const { router } = server
  const register = router.register.bind(router)
  router.register = async (registration) => {
    if (registration.invite !== 'none' && registration.invite !== null) {
      const invite = await server.shard.invite(registration.invite.id)
      if (invite.row !== null) invite.row = { ...invite.row, used: 0 }
    }
    return register(registration)
  }
}

/** Presence does not ask who has blocked whom. */
export function presenceIgnoresBlocks(server: SimServer): void {
  server.router.profiles.isBlocked = () => Promise.resolve(false)
}

/** A watcher who was told something is told no more of it. */
export function presenceStays(server: SimServer): void {
  const { sessions } = server.shard
  const add = sessions.add.bind(sessions)
  sessions.add = (feed) => {
    const { sink } = feed
    const presence = sink.presence.bind(sink)
    const told = new Set<string>()
    sink.presence = (user, state, lastSeenMs) => {
      if (told.has(user)) return true
      const isTaken = presence(user, state, lastSeenMs)
      if (isTaken) told.add(user)
      return isTaken
    }
    add(feed)
  }
}

/** A disabled account is let in. */
export function disabledComeIn(server: SimServer): void {
  const { router, shard } = server
  const attach = router.attach.bind(router)
  router.attach = async (request, sink) => {
    const { account } = await shard.user(request.user)
    if (account !== null) (await shard.user(request.user)).account = { ...account, disabled: false }
    return attach(request, sink)
  }
}

/** A mark is acknowledged, and the watermark is where it was before. */
export function readsForgotten(server: SimServer): void {
  const { shard } = server
  shard.receipts.markNow = (_, feed, clientId, seq) => {
    shard.answer(new Answer(feed, clientId, 0, seq, shard.environment.clock.nowMs()))
    return true
  }
}

/** Devices are not told what other devices have changed in a list. */
export function listsUntold(server: SimServer): void {
  onEntry(server, (_, frame) => frame.type === FRAME.changed ? { ...frame, version: Math.max(1, frame.version - 1) } : null)
}

/** What operations made of a message outlives it. */
export function statesOutlive(server: SimServer): void {
  onLoneTask<Entry[]>(server, {
    before: (conversation) => server.shard.engine.range({ ...conversation.keys.states(0, STATES_MAX), limit: STATES_MAX }),
    after: (_, kept) => { for (const [key, row] of kept) server.shard.transaction.batch.put(key, row) },
  })
}

/** What has expired is as unread as it was. */
export function expiredStayUnread(server: SimServer): void {
  onLoneTask<ReadonlyMap<string, number>>(server, {
    before: ({ members }) => Promise.resolve(new Map(members.map(({ user, unread }) => [user, unread]))),
    after: (conversation, unread) => {
      const { batch } = server.shard.transaction
      for (const member of conversation.members) {
        member.unread = unread.get(member.user) ?? 0
        batch.put(conversation.keys.watermark(member.user), encodeWatermark(member, conversation.tail))
      }
      batch.put(conversation.keys.checkpoint(), encodeCheckpoint(conversation))
    },
  })
}

/** The time that queues go by stands still: what waits in them never expires. */
export function queuesKeepExpired(server: SimServer): void {
  const { shard } = server
  const { sessions, receipts } = shard
  const add = sessions.add.bind(sessions)
  const host: FeedHost = {
    engine: shard.engine, isGone: (conversation, seq) => shard.isGone(conversation, seq), windowBytesMax: shard.windowBytesMax, nowMs: 0,
    readFailed: (error) => { shard.readFailed(error) },
    receipts: {
      deliveredAt: () => false,
      delivered: (user, conversation, seq, applied) => receipts.delivered(user, conversation, seq, applied),
      moveCursor: (user, device, index) => { receipts.moveCursor(user, device, index) },
    },
  }
  sessions.add = (feed) => {
    Object.assign(feed, { host })
    add(feed)
  }
}

/** A timer is known as long as its conversation is in memory. */
export function timersForgotten(server: SimServer): void {
  const { shard } = server
  const inTurn = shard.inTurn.bind(shard)
  shard.inTurn = (name, users, work) => inTurn(name, users, (route) => {
    const result = work(route)
    const { conversation } = route
    const { timerMs } = conversation
    if (timerMs > 0) {
      conversation.timerMs = 0
      shard.transaction.batch.put(conversation.keys.meta(), encodeConversation(conversation))
      conversation.timerMs = timerMs
    }
    return result
  })
}

/** Around everything that the server does to conversations by itself; `after` is given what `before` has found. */
function onLoneTask<T>(
  server: SimServer, plant: { before: (conversation: ConversationState) => Promise<T>, after: (conversation: ConversationState, found: T) => void },
): void {
  const { shard } = server
  const alone = shard.alone.bind(shard)
  shard.alone = (name, task) => {
    let found: T | undefined
    return alone(name, {
      read: async (conversation) => {
        await task.read(conversation)
        found = await plant.before(conversation)
      },
      run: (conversation) => {
        task.run(conversation)
        if (found !== undefined) plant.after(conversation, found)
      },
    })
  }
}

const STATES_MAX = 10_000

type OperateNow = SimServer['shard']['operations']['operateNow']

/** Calls `plant` in the place of every operation. */
function onOperation(
  server: SimServer,
  plant: (operate: () => void, command: Parameters<OperateNow>[2], route: Route, target: Parameters<OperateNow>[3]) => void,
): void {
  const { operations } = server.shard
  const operateNow = operations.operateNow.bind(operations)
  operations.operateNow = (route, feed, command, target) => {
    plant(() => { operateNow(route, feed, command, target) }, command, route, target)
  }
}

/** A message is accepted, and what it carries is not counted. */
export function carriesUncounted(server: SimServer): void {
  server.shard.ledger.refer = () => undefined
}

/** Who asks for what a message carries is told that there is no such message. */
export function carriedIsHidden({ router: { blobs } }: SimServer): void {
  if (blobs !== null) blobs.find = () => Promise.reject(new RouterError(ERROR.noSuchMessage, 'planted'))
}

/** What an upload has put into the store is not listed to be erased where it ends without a blob. */
export function putsForgotten({ shard: { ledger } }: SimServer): void {
  const erase = ledger.erase.bind(ledger)
  ledger.erase = (objects, atMs) => { if (atMs === 0) erase(objects, atMs) }
}
