/** What a client asks the server beside messages: the account, its devices and lists, other people, search. One query each. */
import { element } from '../element.js'
import type { Element } from '../element.js'
import { ERROR, LIMIT } from '../generated/registry.js'
import { inviteId, inviteQuery, invitesQuery, readInvites, readMadeInvite, readSearch, searchQuery } from './account-queries.js'
import type { InviteRecord, MadeInvite, SearchOptions, SearchResults } from './account-queries.js'
import { ClientError, localError, serverError } from './client-error.js'
import { readDevices, readLimits, readSettings, readTimer, settingsQuery, timerQuery } from './query-elements.js'
import type { DeviceRecord, ServerLimits, Settings } from './query-elements.js'
import { privacyQuery, readPrivacy } from './privacy-elements.js'
import type { Privacy } from './privacy-elements.js'
import {
  changeFlagsQuery, changeProfileQuery, listQuery, profilesQuery, readBlocked, readContacts, readFlagsList, readProfiles, readVersion,
} from './profile-elements.js'
import type { BlockedInfo, ContactInfo, Flags, FlagsInfo, ListPage, ListRequest, Profile, ProfileInfo } from './profile-elements.js'

/** Rejects with the ClientError that the server answered with. */
export abstract class AccountClient {
  protected abstract get user(): string

  protected abstract randomBytes(length: number): Uint8Array

  /** Asks, and reads the answer; `read` gives null for one that makes no sense. */
  protected abstract ask<T>(query: Element, read: (answer: Element) => T | null): Promise<T>

  /** The user's devices. [DEV-1] */
  async devices(): Promise<readonly DeviceRecord[]> {
    return this.ask(element('devices'), readDevices)
  }

  /** Removes a device of this user; rejects with no-such-device. Removing this one ends the client. [DEV-2] */
  async removeDevice(device: string): Promise<void> {
    await this.ask(element('remove-device', { id: device }), (answer) => answer)
  }

  /** The user's settings, after the change if there is one. [SET-1] */
  async settings(change: Partial<Settings> = {}): Promise<Settings> {
    return this.ask(settingsQuery(change), readSettings)
  }

  /** What the server's operator may have set otherwise than the protocol has it; the protocol's numbers where the server does not tell. [SET-2] */
  async limits(): Promise<ServerLimits> {
    try {
      return await this.ask(element('limits'), readLimits)
    } catch (error) {
      if (error instanceof ClientError && error.code === ERROR.unsupportedQuery) return LIMIT
      throw error
    }
  }

  /** Whom the user lets see that it is online, and when it was last; after the change if there is one. [PRS-17] */
  async privacy(change: Partial<Privacy> = {}): Promise<Privacy> {
    return this.ask(privacyQuery(change), readPrivacy)
  }

  /** Makes an invite: rejects with no-invites, too-many-invites. The code is shown this once. [INV-12] */
  async invite(options: { readonly uses?: number; readonly ageMs?: number } = {}): Promise<MadeInvite> {
    return this.ask(inviteQuery(inviteId(this.randomBytes(8)), options), readMadeInvite)
  }

  /** A page of the user's own invites, without their codes, behind `after`. [INV-13] */
  async invites(after = ''): Promise<{ invites: readonly InviteRecord[]; more: boolean }> {
    return this.ask(invitesQuery(after), readInvites)
  }

  /** Ends an invite of this user; rejects with no-such-invite. [INV-13] */
  async revokeInvite(id: string): Promise<void> {
    await this.ask(element('revoke-invite', { id }), (answer) => answer)
  }

  /** Messages of the user's conversations that hold these words, newest first, a page at a time. [SCH-2] */
  async search(words: string, options: SearchOptions = {}): Promise<SearchResults> {
    return this.ask(searchQuery(words, options), (answer) => readSearch(answer, this.user))
  }

  /** After what time new messages of the conversation disappear, in milliseconds; 0: they stay. [DIS-1] */
  async timer(conversation: string): Promise<number> {
    return (await this.ask(timerQuery(conversation, undefined), readTimer)).afterMs
  }

  /** Changes that; 0 turns it off. Resolves to the seq that the change took, 0 where it was so already. [DIS-7] */
  async setTimer(conversation: string, afterMs: number): Promise<number> {
    return (await this.ask(timerQuery(conversation, afterMs), readTimer)).seq
  }

  /** The profile of a user; `profile` is null where it still has the version that is known. Rejects with no-such-user. [PRF-5] */
  async profile(user: string, version = 0): Promise<ProfileInfo> {
    const [info] = await this.profiles([{ user, version }])
    if (info === null || info === undefined) throw serverError(ERROR.noSuchUser, '', 0)
    return info
  }

  /** Of several users, at most 100, in the order asked for; null where there is no such user. */
  async profiles(users: readonly (string | { readonly user: string; readonly version: number })[]): Promise<readonly (ProfileInfo | null)[]> {
    if (users.length === 0) return []
    try {
      return await this.ask(profilesQuery(users), readProfiles)
    } catch (error) {
      // One alone is refused where several are answered. [PRF-5]
      if (users.length === 1 && error instanceof ClientError && error.code === ERROR.noSuchUser) return [null]
      throw error
    }
  }

  /** The user's own profile, after the change if there is one; an empty text takes one away. [PRF-2] */
  async setProfile(change: Partial<Profile> = {}): Promise<ProfileInfo> {
    const [info] = await this.ask(changeProfileQuery(change), readProfiles)
    if (info === null || info === undefined) throw localError('bad-answer', 'the answer to profile makes no sense')
    return info
  }

  /** A page of the user's contacts; see ListRequest. [PRF-7] */
  async contacts(request: ListRequest = {}): Promise<ListPage<ContactInfo>> {
    return this.ask(listQuery('contacts', request), readContacts)
  }

  /** Adds a contact, or names it anew; `name` may be empty. Resolves to the version of the list. */
  async setContact(user: string, name = ''): Promise<number> {
    return this.ask(element('contact', { user, name }), readVersion)
  }

  async removeContact(user: string): Promise<number> {
    return this.ask(element('contact', { user, removed: 'true' }), readVersion)
  }

  /** A page of the users that this one has blocked. */
  async blocked(request: ListRequest = {}): Promise<ListPage<BlockedInfo>> {
    return this.ask(listQuery('blocked', request), readBlocked)
  }

  /** From now on nothing of this user arrives, which is not told of it. Resolves to the version of the list. [PRF-10] */
  async block(user: string): Promise<number> {
    return this.ask(element('block', { user }), readVersion)
  }

  async unblock(user: string): Promise<number> {
    return this.ask(element('unblock', { user }), readVersion)
  }

  /** A page of the conversations with flags; they come with the list of conversations too. [PRF-16] */
  async flags(request: ListRequest = {}): Promise<ListPage<FlagsInfo>> {
    return this.ask(listQuery('flags', request), readFlagsList)
  }

  /** Sets flags of a conversation for all devices of the user; resolves to all that it has then. */
  async setFlags(conversation: string, change: Partial<Flags>): Promise<FlagsInfo> {
    const { items: [info] } = await this.ask(changeFlagsQuery(conversation, change), readFlagsList)
    if (info === undefined) throw localError('bad-answer', 'the answer to flags makes no sense')
    return info
  }

  /** Puts the last messages of a conversation before the operator; `block` blocks the other user as well. [PRF-17] */
  async report(conversation: string, reason: string, block = false): Promise<void> {
    await this.ask(element('report', { with: conversation, block: block ? 'true' : undefined }, reason), (answer) => answer)
  }
}
