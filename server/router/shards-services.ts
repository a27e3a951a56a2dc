/** Groups, timers and profiles where there are several shards: each call goes to the home of what it concerns. */
import type { TimerCommands } from '../expiry/timers.js'
import type { GroupCommands } from '../groups/group-commands.js'
import { commonReportId, reportPlace } from '../profiles/reports.js'
import type { ProfileAdmin, ProfileService } from '../profiles/service.js'
import type { HomeRouter } from './home-router.js'
import type { Homes } from './shards-router.js'

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
    report: (user, request) => at(user).report(user, request),
    isBlocked: (owner, other) => at(owner).isBlocked(owner, other),
    isContact: (owner, other) => at(owner).isContact(owner, other),
    ...shardReports(homes.all),
  }
}

type Reports = Pick<ProfileAdmin, 'reports' | 'readReport' | 'closeReport'>

/** Each shard numbers the reports of its users; here they have one number each, which says whose they are. */
function shardReports(all: readonly HomeRouter[]): Reports {
  const placeOf = (common: number): [at: Reports, id: number] => {
    const { shard, id } = reportPlace(all.length, common)
    return [all[shard]!.profiles, id]
  }
  return {
    reports: async (after, limit) => {
      const pages = await Promise.all(all.map(async ({ profiles }, shard) => {
        // Those whose numbers here lie behind `after`.
        const { reports, more } = await profiles.reports(Math.max(0, Math.floor((after - shard) / all.length)), limit)
        return { reports: reports.map((report) => ({ ...report, id: commonReportId(all.length, shard, report.id) })), more }
      }))
      // Of a page that is cut off the rest comes behind its last: nothing of others from there on may come before.
      const ends = pages.flatMap(({ reports, more }) => more ? reports.at(-1)?.id ?? [] : [])
      const end = Math.min(...ends)
      const known = pages.flatMap(({ reports }) => reports).filter(({ id }) => id <= end).sort((one, other) => one.id - other.id)
      return { reports: known.slice(0, limit), more: ends.length > 0 || known.length > limit }
    },
    readReport: async (id) => {
      const [profiles, own] = placeOf(id)
      const report = await profiles.readReport(own)
      return report === null ? null : { ...report, id }
    },
    closeReport: (id) => {
      const [profiles, own] = placeOf(id)
      return profiles.closeReport(own)
    },
  }
}
