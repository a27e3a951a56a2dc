/**
 * One life of a shard: all that it has in memory, from when its store was opened until that fails. Then another one begins with nothing,
 * and what began in the one before has no say in it.
 */
import { type InviteState, loadInvite } from '../accounts/invite-state.js'
import type { ArrivalHost } from '../channels/arrivals.js'
import { Channels } from '../channels/channels.js'
import { homeOf } from '../channels/federation.js'
import { restoreUnsettled } from '../groups/watermarks.js'
import { BlobStates } from '../holdings/states.js'
import type { Author } from './author.js'
import { type GateHost, Gates } from './gates.js'
import { Journal, type JournalHost } from './journal.js'
import { loadConversation, loadUser } from './loader.js'
import { Residents } from './residents.js'
import type { Sessions } from './sessions.js'
import { StaleRoutes } from './stale-routes.js'
import { conversationName } from './conversation-name.js'
import { type ConversationState, memberNames } from './conversation-state.js'
import type { Resident } from './resident.js'
import type { UserState } from './user-state.js'
import { Route } from './transaction.js'

/** Invites kept in memory beside those that a transaction holds: they are used once, if at all. */
const INVITES_RESIDENT_MAX = 1000

/** The shard, as one of its lives sees it. */
export type LifeHost = GateHost & ArrivalHost & JournalHost & {
  readonly sessions: Sessions
  /** Of what the process before has left; null: it is over. No user is read before. */
  readonly recovery: Promise<void> | null
  /** Whether everything that happened to it is on disk. */
  isSettled(state: Resident): boolean
}

export class Life {
  readonly #host: LifeHost
  readonly users: Residents<UserState>
  readonly conversations: Residents<ConversationState>
  readonly invites: Residents<InviteState>
  readonly blobStates: BlobStates
  readonly gates: Gates
  readonly journal: Journal
  /** To other shards; null: this one is home to all. */
  readonly channels: Channels | null

  constructor(host: LifeHost) {
    this.#host = host
    const { engine, environment: { limits, federation, scheduler } } = host
    const defer = (task: () => void): void => { scheduler.defer(task) }
    const isSettled = (state: Resident): boolean => host.isSettled(state)
    this.users = new Residents(
      limits.residentUsersMax, (name) => this.#loadUser(name),
      (user) => isSettled(user) && !user.isOnline && (user.journaled?.length ?? 0) === 0, defer, () => host.sessions.online,
    )
    this.conversations = new Residents(limits.residentConversationsMax, (name) => loadConversation(engine, name, this.channels), isSettled, defer)
    const stale = new StaleRoutes(host.sessions, this.conversations)
    this.users.onGone = this.conversations.onGone = () => { stale.look() }
    this.invites = new Residents(INVITES_RESIDENT_MAX, (id) => loadInvite(engine, id), isSettled, defer)
    this.blobStates = new BlobStates(engine, isSettled, defer, federation === undefined ? null : (name) => homeOf(federation, name) !== federation.shard)
    this.gates = new Gates(host, this)
    this.journal = new Journal(host)
    this.channels = federation === undefined ? null : new Channels(host, federation)
  }

  /** It is over. Who waits for something of it is called, and finds that everything has changed: the next one must have begun. */
  end(): void {
    this.users.close()
    this.conversations.close()
    this.invites.close()
    this.blobStates.close()
    this.channels?.close()
    this.gates.close()
    this.journal.close()
  }

  async #loadUser(name: string): Promise<UserState> {
    const away = this.channels?.to(name) ?? null
    if (away !== null && this.channels !== null) return this.channels.visitor(name, away)
    const { recovery } = this.#host
    if (recovery !== null) await recovery
    return loadUser(this.#host.engine, name)
  }

  /** The author's route to a conversation, if everything it needs is in memory and nothing waits before it. */
  routeFor(author: Author, address: string): Route | null {
    const known = author.routes.get(address)
    if (known?.isAlive === true) return this.gates.has(known.conversation.name) ? null : known
    const name = conversationName(author.user.name, address)
    const route = this.gates.has(name) ? null : this.residentRoute(name)
    if (route === null) return null
    author.remember(address, route)
    return route
  }

  /** The route, if the conversation and all its members are in memory. */
  residentRoute(name: string): Route | null {
    const route = this.#sharedRoute(name)
    // Whoever writes by a route has it for itself.
    return route === null || route.conversation.route !== route ? route : new Route(route.conversation, route.users, route.channels)
  }

  /** The same, but a group's is the one for all its members; null also where something waits before it. */
  freeRoute(name: string): Route | null {
    return this.gates.has(name) ? null : this.#sharedRoute(name)
  }

  #sharedRoute(name: string): Route | null {
    const conversation = this.conversations.get(name)
    if (conversation === undefined) return null
    if (conversation.route?.isAlive === true) return conversation.route
    const users: UserState[] = []
    for (const member of memberNames(conversation)) {
      const user = this.users.get(member)
      if (user === undefined) return null
      users.push(user)
    }
    restoreUnsettled(conversation, users)
    const route = new Route(conversation, users)
    if (conversation.group !== null) conversation.route = route
    return route
  }

  /** Who is at home elsewhere and does not exist there may come to exist at any time, and nobody would say so here. */
  forgetUnknown(users: readonly string[]): void {
    if (this.channels === null) return
    for (const name of users) {
      const user = this.users.get(name)
      if (user !== undefined && user.channel !== null && !user.exists && !user.isRecorded) this.users.drop(user)
    }
  }
}
