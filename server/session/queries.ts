/**
 * Queries: questions and changes that are not messages. Each is an element that is answered by an element of the same name, or fails
 * with a code. All of them act for the session's own user; nothing in the element can name another principal. [QRY-1]
 */
import { asError } from '../../protocol/as-error.js'
import { normalizeConversation, normalizeDevice } from '../../protocol/address.js'
import { element, type Element } from '../../protocol/element.js'
import { encodeFail, encodeResult } from '../../protocol/generated/frames.js'
import { ERROR, ERRORS, type ErrorCode } from '../../protocol/generated/registry.js'
import { inviteQuery, invitesQuery, revokeInviteQuery } from './invite-queries.js'
import { RouterError } from '../router/router.js'
import { answerBlobQuery } from './blob-queries.js'
import { answerGroupQuery } from './group-queries.js'
import { privacyAnswer, privacyChange } from './privacy-query.js'
import { searchQuery } from './search-query.js'
import { conversationsAnswer, devicesAnswer, historyAnswer, limitsAnswer, receiptsAnswer } from './query-answers.js'
import { answerProfileQuery } from './profile-queries.js'
import { QueryError } from './query-error.js'
import { answerTimerQuery } from './timer-query.js'
import { conversationOf, limitOf, optionalUint } from './query-fields.js'
import type { Session } from './session.js'

export class Queries {
  readonly #session: Session
  /** Queries without an answer. */
  waiting: number
  /** This session asked so often for its own end, and was not refused: it comes after the results. */
  #leaving: number
  /** What the shard has ended it with meanwhile; 0: it has not. */
  #endError: ErrorCode | 0

  constructor(session: Session) {
    this.#session = session
    this.waiting = 0
    this.#leaving = 0
    this.#endError = 0
  }

  /** Takes a query and answers it, now or later; closes the connection when there are too many at once. [QRY-2] */
  ask(id: number, query: Element): void {
    const { connection, environment } = this.#session
    environment.counters.queries++
    if (this.waiting >= environment.config.limits.queriesMax) {
      connection.close(ERROR.tooManyUnacknowledged)
      return
    }
    const waitMs = this.#session.rates.queries.tryTake(1, environment.clock)
    if (waitMs > 0) {
      this.#fail(id, ERROR.rateLimited, waitMs, '')
      return
    }
    this.waiting++
    this.#answer(query)
      .then((answer) => this.#result(id, answer), (error: unknown) => this.#failed(id, error))
      .finally(() => this.#settled())
      .catch((error: unknown) => environment.log.error({ session: connection.id, error: asError(error) }, 'query-failed'))
  }

  /** Whether the end that the shard calls for waits for the answer to this session's own logout. */
  endsLater(error: ErrorCode): boolean {
    if (this.#leaving === 0) return false
    this.#endError = error
    return true
  }

  #settled(): void {
    this.waiting--
    if (this.waiting > 0) return
    const end = this.#endError === 0 && this.#leaving > 0 ? ERROR.deviceRemoved : this.#endError
    if (end !== 0) this.#session.connection.close(end)
  }

  async #answer(query: Element): Promise<Element> {
    const { user, device, environment } = this.#session
    const { router } = environment
    switch (query.name) {
      case 'history': return this.#history(user, query)
      case 'conversations': return this.#conversations(user, query)
      case 'receipts': {
        const conversation = conversationOf(query)
        const { frameBytesMax } = environment.config.limits
        return receiptsAnswer(conversation, await router.receipts(user, conversation), query.attributes.get('after') ?? '', frameBytesMax)
      }
      case 'devices': return devicesAnswer(await router.devices(user), device)
      case 'remove-device': return this.#removeDevice(deviceOf(query))
      case 'logout': {
        await this.#removeDevice(device)
        return element('logout')
      }
      case 'settings': return this.#settings(user, query)
      case 'limits': return limitsAnswer(environment.config.limits)
      case 'privacy': {
        const change = privacyChange(query)
        return privacyAnswer(await (change === null ? router.privacy(user) : router.changePrivacy(user, change)))
      }
      case 'invite': return inviteQuery({ user, ...environment }, query)
      case 'invites': return invitesQuery({ user, ...environment }, query)
      case 'revoke-invite': return revokeInviteQuery({ user, ...environment }, query)
      case 'timer': return answerTimerQuery(router.timers, user, query)
      case 'search': return searchQuery({ user, ...environment, rate: this.#session.rates.queries }, query)
      default: {
        const answer = await (answerProfileQuery(this.#session, query) ?? answerBlobQuery(environment.blobs, user, query)
          ?? answerGroupQuery(router.groups, user, query, environment.config.limits.frameBytesMax))
        if (answer === null) throw new QueryError(ERROR.unsupportedQuery, `there is no query ${query.name}`) // [QRY-3]
        return answer
      }
    }
  }

  async #history(user: string, query: Element): Promise<Element> {
    const { router, config } = this.#session.environment
    const conversation = conversationOf(query)
    const after = optionalUint(query, 'after')
    const before = optionalUint(query, 'before')
    const sinceMs = optionalUint(query, 'since')
    const untilMs = optionalUint(query, 'until')
    const page = await router.history(user, conversation, {
      ...after === null ? {} : { after },
      ...before === null ? {} : { before },
      ...sinceMs === null ? {} : { sinceMs },
      ...untilMs === null ? {} : { untilMs },
      limit: limitOf(query, config.limits.historyPageMax),
    })
    return historyAnswer(conversation, page, after !== null || sinceMs !== null, config.limits.frameBytesMax)
  }

  async #conversations(user: string, query: Element): Promise<Element> {
    const { router, config } = this.#session.environment
    const after = query.attributes.get('after') ?? ''
    const normalized = after === '' ? '' : normalizeConversation(after)
    if (normalized === null) throw new QueryError(ERROR.malformedAddress, 'after is no address')
    const page = await router.conversations(user, normalized, limitOf(query, config.limits.conversationsPageMax))
    return conversationsAnswer(page.conversations, page.more, config.limits.frameBytesMax)
  }

  async #removeDevice(device: string): Promise<Element> {
    const { user, device: ownDevice, environment } = this.#session
    const isOwn = device === ownDevice
    if (isOwn) this.#leaving++
    try {
      await environment.router.removeDevice(user, device)
    } catch (error) {
      if (isOwn) this.#staysAfter(error)
      throw error
    }
    return element('remove-device', { id: device })
  }

  /** It is not known to be removed. A session that the shard has ended by then ends all the same. */
  #staysAfter(error: unknown): void {
    this.#leaving--
    const isGone = error instanceof RouterError && error.code === ERROR.noSuchDevice
    if (this.#endError === ERROR.deviceRemoved && !isGone) this.#endError = ERROR.storageUnavailable
  }

  async #settings(user: string, query: Element): Promise<Element> {
    const { router } = this.#session.environment
    const value = query.attributes.get('read-receipts')
    if (value !== undefined && value !== 'on' && value !== 'off') throw new QueryError(ERROR.badRequest, 'read-receipts is on or off')
    const settings = value === undefined ? await router.settings(user) : await router.changeSettings(user, { readReceipts: value === 'on' })
    return element('settings', { 'read-receipts': settings.readReceipts ? 'on' : 'off' })
  }

  #result(id: number, answer: Element): void {
    this.#session.connection.send(encodeResult(id, answer))
  }

  #failed(id: number, error: unknown): void {
    if (error instanceof RouterError) {
      this.#fail(id, stanzaError(error.code), error.retryAfterMs, error.code < 300 ? '' : error.message)
    } else if (error instanceof QueryError) {
      this.#fail(id, error.code, 0, error.message)
    } else {
      const { environment, connection } = this.#session
      environment.log.error({ session: connection.id, error: asError(error) }, 'query-failed')
      this.#fail(id, ERROR.unavailable, 0, 'a fault of the server')
    }
  }

  #fail(id: number, error: ErrorCode, retryAfterMs: number, reason: string): void {
    this.#session.environment.counters.queryFailures++
    this.#session.connection.send(encodeFail(id, error, retryAfterMs, reason === '' ? ERRORS.get(error)?.doc ?? '' : reason))
  }
}

/** A shard may answer with the code of a stream; the query fails, the stream lives. */
function stanzaError(code: ErrorCode): ErrorCode {
  return code >= 300 ? code : ERROR.unavailable
}

function deviceOf(query: Element): string {
  const value = query.attributes.get('id')
  if (value === undefined) throw new QueryError(ERROR.badRequest, 'id is missing: name the device')
  const device = normalizeDevice(value)
  if (device === null) throw new QueryError(ERROR.malformedAddress, 'id is no device')
  return device
}
