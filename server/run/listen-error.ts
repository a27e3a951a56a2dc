/** A listener that can't be opened. The message is one line for the operator. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}
