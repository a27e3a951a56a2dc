/** What a query is refused with by the session itself. */
import type { ErrorCode } from '../../protocol/generated/registry.js'

export class QueryError extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
