/** A promise was broken. */
export class Breach extends Error {
  override readonly name = 'Breach'
}
