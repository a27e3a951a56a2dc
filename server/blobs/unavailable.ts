/** Answers in place of those that there is nobody for at present: come back. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ERROR } from '../../protocol/generated/registry.js'
import { answerPreflight, type Answers, prepareAnswer, refuse } from './answering.js'
import { HttpError } from './http-error.js'

export class Unavailable implements Answers {
  readonly #retryAfter: number

  /** In seconds. */
  constructor(retryAfter: number) {
    this.#retryAfter = retryAfter
  }

  connected(): void { /* nobody's places are counted here */ }

  /** Each answer is the last of its connection, so nothing goes on behind it. */
  isAnswering(): boolean { return true }

  handle(request: IncomingMessage, response: ServerResponse, isOriginAllowed: boolean): void {
    prepareAnswer(request, response, isOriginAllowed, true)
    if (answerPreflight(request, response, isOriginAllowed)) return
    refuse(request, response, new HttpError(503, ERROR.unavailable, 'uploads and downloads are not possible at present', { retryAfter: this.#retryAfter }))
  }

  close(): Promise<void> { return Promise.resolve() }
}
