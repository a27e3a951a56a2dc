/** What was thrown, as an Error: anything can be. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
