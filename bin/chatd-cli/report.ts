/** `chatd report`: what users have put before the operator. */
import type { Config } from '../../server/config/settings.js'
import { openUserAdmin } from '../../server/control/user-admin.js'
import type { ProfileAdmin, Report } from '../../server/profiles/service.js'
import { safeJson, safeText } from '../chat-cli/safe-text.js'
import { CommandFailure, EXIT } from './failure.js'

export type ReportAction = { readonly kind: 'list' } | { readonly kind: 'show' | 'close', readonly id: number }

const PAGE = 100

/** Prints reports, or closes one; what strangers have written is made harmless for a terminal. */
export async function report(config: Config, action: ReportAction, json: boolean): Promise<void> {
  const admin = await openUserAdmin(config, false)
  try {
    if (action.kind === 'list') await list(admin.profiles, json)
    else if (action.kind === 'show') await show(admin.profiles, action.id, json)
    else await close(admin.profiles, action.id)
  } finally {
    await admin.close()
  }
}

async function list(admin: ProfileAdmin, json: boolean): Promise<void> {
  for (let after = 0, more = true; more;) {
    const page = await admin.reports(after, PAGE)
    for (const each of page.reports) {
      process.stdout.write(`${json ? safeJson(fields(each)) : summary(each)}\n`)
      after = each.id
    }
    more = page.more && page.reports.length > 0
  }
}

async function show(admin: ProfileAdmin, id: number, json: boolean): Promise<void> {
  const found = await admin.readReport(id)
  if (found === null) throw noSuchReport(id)
  if (json) {
    process.stdout.write(`${safeJson(fields(found))}\n`)
    return
  }
  process.stdout.write(`${summary(found)}\n`)
  for (const { seq, from, timeMs, text } of found.messages) {
    process.stdout.write(`  ${String(seq)}  ${time(timeMs)}  ${safeText(from)}: ${safeText(Buffer.from(text).toString('utf8'))}\n`)
  }
}

async function close(admin: ProfileAdmin, id: number): Promise<void> {
  if (!await admin.closeReport(id)) throw noSuchReport(id)
  process.stdout.write(`report ${String(id)} closed\n`)
}

function summary({ id, timeMs, reporter, conversation, reason }: Report): string {
  return `${String(id)}\t${time(timeMs)}\t${safeText(reporter)} reports ${safeText(conversation)}\t${safeText(reason)}`
}

function fields({ id, timeMs, reporter, conversation, reason, messages }: Report): object {
  return {
    id, time: timeMs, reporter, conversation, reason,
    messages: messages.map(({ seq, from, timeMs: sentMs, text }) => ({ seq, from, time: sentMs, text: Buffer.from(text).toString('utf8') })),
  }
}

function time(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')
}

function noSuchReport(id: number): CommandFailure {
  return new CommandFailure(EXIT.failed, `there is no report ${String(id)}: chatd report list names those that wait`)
}
