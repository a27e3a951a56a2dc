/**
 * The router of one shard among several, wherever that is: in this process (LocalRouter), or at the other end of a link. Beside what it
 * does for the users who are at home there it answers for conversations of users who are at home elsewhere. See ShardsRouter.
 */
import type { ConversationFlags } from '../profiles/flags.js'
import type { ProfileVersions } from '../profiles/profile.js'
import type { SearchPage, SearchRequest } from '../search/search-router.js'
import type { SummaryPart, Viewer } from '../shard/views.js'
import type { Attachment, DeviceSink, MemberWatermarks, Router } from './router.js'

/** A session of a user who is at home elsewhere, as it speaks in a conversation. */
export interface Visitor {
  readonly user: string
  /** Of the device, given by the user's shard. */
  readonly deviceNumber: number
  /** Its client ids count under. */
  readonly outboxEpoch: number
}

/** How a visited shard speaks to the session. `ended`: what had no answer by then may have been carried out, or not. */
export type VisitSink = Pick<DeviceSink, 'acked' | 'refused' | 'ended'>

/** Where a visitor's commands go from now on. */
export interface VisitPlace {
  readonly router: Router
  readonly attachment: Attachment
}

/** What is asked of a shard beside the calls of every router. */
export interface HomeCommands {
  /** Of a conversation that is at home there, as the user addresses it. */
  receipts(viewer: Viewer, conversation: string): Promise<readonly MemberWatermarks[]>
  /** Of a conversation by its name; null: to this viewer it does not exist. */
  summaryPart(name: string, viewer: Viewer): Promise<SummaryPart | null>
  /** Of the profile of a user who is at home there. */
  profileVersions(owner: string): Promise<ProfileVersions>
  /** Of all conversations of a user who is at home there. */
  conversationNames(user: string): Promise<readonly string[]>
  /** Those of a user who is at home there, by the address of the conversation. */
  flags(user: string, address: string): Promise<ConversationFlags>
  /** In these conversations, by their names, which are at home there. */
  searchIn(user: string, request: SearchRequest, names: readonly string[]): Promise<SearchPage>
}

export interface HomeRouter extends Router {
  readonly home: HomeCommands
  /** false: nobody can be asked there at present. */
  readonly isReachable: boolean
  /** Opens a place without a queue, in the turn in which it is called. Throws RouterError where that can't be at present. */
  visit(visitor: Visitor, sink: VisitSink): VisitPlace
}
