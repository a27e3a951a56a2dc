/** Reports: what users say is not right goes to the operator, with what was said last, into a queue that has room for so many. */
import { hasAttachments, readAttachments } from '../../protocol/attachments.js'
import { isGroup, normalizeConversation } from '../../protocol/address.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { checkText } from '../../protocol/text.js'
import type { Engine } from '../../storage/engine.js'
import { mustRead, readableBy } from '../groups/access.js'
import { RouterError, type StoredMessage } from '../router/router.js'
import { conversationName } from '../shard/conversation-name.js'
import { readHistory } from '../shard/history.js'
import type { Shard } from '../shard/shard.js'
import { Turns } from '../shard/turns.js'
import { deleteReport, putReport, readReport, readReportsMeta, reportsPage } from './reports.js'
import type { Report, ReportRequest } from './service.js'
import { StrangerAllowance } from './stranger-allowance.js'

const HOUR_MS = 3_600_000
/** The name of the turns: there is one queue. */
const QUEUE = 'reports'
/** Users whose reports are counted; the one who has not reported for longest is forgotten first. */
const REPORTERS_MAX = 10_000
const REPORTS_PAGE_MAX = 100

/**
 * Pages of the log looked back through for the messages of a report: who is reported could push them out of fewer by operations, changes
 * and deletions.
 */
const REPORT_PAGES_MAX = 32

/** How users stand to each other, as far as reports have to know and change it. */
export interface ReportedRelations {
  /** Rejects where the user may read nothing of the conversation. */
  mustBeIn(user: string, conversation: string): Promise<void>
  /** Rejects where blocking would. */
  mustBeBlockable(user: string, other: string): Promise<void>
  block(user: string, other: string): Promise<number>
}

export class Reporting {
  readonly #shard: Shard
  readonly #relations: ReportedRelations
  readonly #turns = new Turns()
  /** What users may still report. */
  readonly #reporters = new Map<string, StrangerAllowance>()

  constructor(shard: Shard, relations: ReportedRelations) {
    this.#shard = shard
    this.#relations = relations
  }

  async report(user: string, request: ReportRequest): Promise<void> {
    const { conversation, reason, blocks } = request
    const fault = checkText(Buffer.from(reason))
    if (fault !== 0) throw new RouterError(fault, 'not a reason')
    if (blocks && (conversation === user || isGroup(conversation))) throw new RouterError(ERROR.badRequest, 'only another user is blocked')
    await this.#relations.mustBeIn(user, conversation)
    if (blocks) await this.#relations.mustBeBlockable(user, conversation)
    this.#spend(user)
    const messages = await this.#reportedFrom(user, conversation)
    await this.#turns.run(QUEUE, async () => {
      const meta = await this.#reading(readReportsMeta)
      if (meta.waiting >= this.#shard.environment.limits.reportsMax) {
        throw new RouterError(ERROR.rateLimited, 'too many reports wait for the operator', { retryAfterMs: HOUR_MS })
      }
      const timeMs = this.#shard.environment.clock.nowMs()
      putReport(this.#shard.transaction.batch, meta, { timeMs, reporter: user, conversation, reason, messages })
      await this.#shard.committed()
    })
    if (blocks) await this.#relations.block(user, conversation)
  }

  #spend(user: string): void {
    const { clock, limits: { reportsPerHour, reportsBurst } } = this.#shard.environment
    if (reportsPerHour === 0) return
    const nowMs = clock.nowMs()
    const allowance = this.#reporters.get(user) ?? new StrangerAllowance(reportsBurst, nowMs)
    this.#reporters.delete(user)
    this.#reporters.set(user, allowance)
    const oldest = this.#reporters.keys().next()
    if (this.#reporters.size > REPORTERS_MAX && oldest.done !== true) this.#reporters.delete(oldest.value)
    const retryAfterMs = allowance.take(reportsPerHour / 3600, reportsBurst, nowMs)
    if (retryAfterMs > 0) throw new RouterError(ERROR.rateLimited, 'too many reports', { retryAfterMs })
  }

  #reportedFrom(user: string, address: string): Promise<Report['messages']> {
    const { channels } = this.#shard
    const name = conversationName(user, normalizeConversation(address) ?? user)
    const away = channels?.to(name) ?? null
    return channels === null || away === null ? this.lastMessages(user, name) : channels.ask(away.shard, 'lastMessages', user, name)
  }

  /** What was said last in a conversation that is at home here, and is still to be seen by the user, ascending. */
  async lastMessages(user: string, name: string): Promise<Report['messages']> {
    const state = await this.#shard.conversation(name)
    mustRead(state, user)
    const found: StoredMessage[] = []
    let before: number | undefined
    for (let pages = 0; pages < REPORT_PAGES_MAX; pages++) {
      const request = { limit: LIMIT.historyPageMax, ...before === undefined ? {} : { before } }
      const page = await this.#reading((engine) => readHistory(engine, state, request, readableBy(state, user), user, this.#shard.nowMs))
      found.unshift(...page.messages.filter(({ operation, change, text, extensions }) => operation === null && change === null && (text.length > 0 || hasAttachments(extensions))))
      before = page.messages[0]?.seq
      if (!page.more || before === undefined || found.length >= LIMIT.reportMessagesMax) break
    }
    return found.slice(-LIMIT.reportMessagesMax).map((message) => ({ ...message, text: reportedText(message) }))
  }

  // ——— For the operator ———

  async page(after: number, limit: number): Promise<{ reports: readonly Report[]; more: boolean }> {
    return this.#reading((engine) => reportsPage(engine, after, Math.min(limit, REPORTS_PAGE_MAX)))
  }

  async read(id: number): Promise<Report | null> {
    return this.#reading((engine) => readReport(engine, id))
  }

  async close(id: number): Promise<boolean> {
    return this.#turns.run(QUEUE, async () => {
      if (await this.read(id) === null) return false
      const meta = await this.#reading(readReportsMeta)
      deleteReport(this.#shard.transaction.batch, meta, id)
      await this.#shard.committed()
      return true
    })
  }

  #reading<T>(read: (engine: Engine) => Promise<T>): Promise<T> {
    return this.#shard.reading(read(this.#shard.engine))
  }
}

/** What was said, and a line for each file: `[beach.jpg, image/jpeg, 2481234 bytes]`. */
function reportedText({ text, extensions }: StoredMessage): Uint8Array {
  const files = (readAttachments(extensions) ?? []).map(({ name, type, size }) => `[${name === '' ? '' : `${name}, `}${type}, ${String(size)} bytes]`)
  return files.length === 0 ? text : Buffer.from([...text.length === 0 ? [] : [Buffer.from(text).toString()], ...files].join('\n'))
}
