/** Groups, timers and profiles where there are several shards: each call goes to the home of what it concerns. */
import { isGroup } from '../../protocol/address.js'
import type { TimerCommands } from '../expiry/timers.js'
import type { GroupCommands } from '../groups/group-commands.js'
import type { ProfileAdmin, ProfileService } from '../profiles/service.js'
import { type Homes, notAcrossShards } from './shards-router.js'

export function shardGroups(homes: Homes): GroupCommands {
  const at = (group: string): GroupCommands => homes.of(group).groups
  return {
    create: (user, group, request) => at(group).create(user, group, request),
    change: (user, group, change) => at(group).change(user, group, change),
    join: (user, group, code) => at(group).join(user, group, code),
    makeLink: (user, group, request) => at(group).makeLink(user, group, request),
    revokeLink: (user, group, code) => at(group).revokeLink(user, group, code),
    details: (user, group, code) => at(group).details(user, group, code),
  }
}

export function shardTimers(homes: Homes): TimerCommands {
  return {
    get: async (user, address) => homes.ofConversation(user, address).timers.get(user, address),
    set: async (user, address, afterMs) => homes.ofConversation(user, address).timers.set(user, address, afterMs),
  }
}

export function shardProfiles(homes: Homes): ProfileService & ProfileAdmin {
  const at = (user: string): ProfileService & ProfileAdmin => homes.of(user).profiles
  return {
    profiles: async (user, requests) => (await Promise.all(requests.map((request) => at(request.user).profiles(user, [request])))).flat(),
    changeProfile: (user, change) => at(user).changeProfile(user, change),
    contacts: (user, request) => at(user).contacts(user, request),
    setContact: (user, other, name) => at(user).setContact(user, other, name),
    removeContact: (user, other) => at(user).removeContact(user, other),
    blocked: (user, request) => at(user).blocked(user, request),
    block: (user, other) => at(user).block(user, other),
    unblock: (user, other) => at(user).unblock(user, other),
    flags: (user, request) => at(user).flags(user, request),
    changeFlags: (user, conversation, change) => at(user).changeFlags(user, conversation, change),
    report: async (user, request) => {
      const home = homes.of(user)
      if (isGroup(request.conversation) || homes.ofConversation(user, request.conversation) !== home) throw notAcrossShards()
      await home.profiles.report(user, request)
    },
    isBlocked: (owner, other) => at(owner).isBlocked(owner, other),
    isContact: (owner, other) => at(owner).isContact(owner, other),
    reports: () => Promise.reject(notAcrossShards()),
    readReport: () => Promise.reject(notAcrossShards()),
    closeReport: () => Promise.reject(notAcrossShards()),
  }
}
