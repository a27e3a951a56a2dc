/**
 * Between whom there is a block, as was last read: who types in a large group says so again and again, and each time two rows for each
 * member who is there would be read. What changes is forgotten, and all of it once the store has failed, for nobody knows what that has
 * kept.
 */
import { pairName } from '../../storage/conversation-keys.js'

export class BlockMemo {
  readonly #pairsMax: number
  readonly #read: (one: string, other: string) => Promise<boolean>
  readonly #lifeOfStore: () => unknown
  readonly #known = new Map<string, boolean>()
  #life: unknown
  /** Counts what was forgotten: what was being read meanwhile may be wrong. */
  #changes = 0

  /** @param lifeOfStore another object each time that the store is opened again */
  constructor(pairsMax: number, lifeOfStore: () => unknown, read: (one: string, other: string) => Promise<boolean>) {
    this.#pairsMax = pairsMax
    this.#lifeOfStore = lifeOfStore
    this.#life = lifeOfStore()
    this.#read = read
  }

  isBetween(one: string, other: string): boolean | Promise<boolean> {
    if (this.#life !== this.#lifeOfStore()) this.#forgetAll()
    return this.#known.get(pairName(one, other)) ?? this.#look(one, other)
  }

  forget(one: string, other: string): void {
    this.#changes++
    this.#known.delete(pairName(one, other))
  }

  async #look(one: string, other: string): Promise<boolean> {
    const changes = this.#changes
    const isBlock = await this.#read(one, other)
    if (changes !== this.#changes || this.#life !== this.#lifeOfStore()) return isBlock
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < this.#pairsMax) break
      this.#known.delete(oldest)
    }
    this.#known.set(pairName(one, other), isBlock)
    return isBlock
  }

  #forgetAll(): void {
    this.#life = this.#lifeOfStore()
    this.#changes++
    this.#known.clear()
  }
}
