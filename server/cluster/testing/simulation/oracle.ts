/** What the cluster has promised: every number that was acknowledged, and as what; and that a changelog is one. */
import type { Engine } from '../../../../storage/engine.js'
import { Breach } from '../../../testing/simulation/breach.js'
import type { ModelServer } from '../model-store.js'

const HEAD = Buffer.from('head')

export function itemKey(number: number): Buffer {
  return Buffer.from(`item/${String(number).padStart(6, '0')}`)
}

export const HEAD_KEY = HEAD

export class Oracle {
  readonly #acked = new Map<number, string>()
  readonly #report: (error: unknown) => void
  /** The highest number that was acknowledged. */
  ackedHead = 0
  ownerships = 0

  constructor(report: (error: unknown) => void) {
    this.#report = report
  }

  get acknowledged(): number {
    return this.#acked.size
  }

  acked(number: number, id: string): void {
    const before = this.#acked.get(number)
    if (before !== undefined && before !== id) this.#report(new Breach(`number ${String(number)} was acknowledged as ${before} and as ${id}`))
    this.#acked.set(number, id)
    this.ackedHead = Math.max(this.ackedHead, number)
  }

  /** Somebody read the head at an owner; `least` was acknowledged before it asked. */
  read(who: string, head: number, least: number): void {
    if (head < least) this.#report(new Breach(`${who} reads ${String(head)} when ${String(least)} was acknowledged`))
  }

  /** A node begins to own the shard: it has everything, and without a gap. */
  owns(who: string, disk: Engine): void {
    this.ownerships++
    this.check(`${who}, the new owner,`, disk).catch(this.#report)
  }

  async check(who: string, disk: Engine): Promise<void> {
    const expected = [...this.#acked]
    const rows = await disk.range({ gte: itemKey(0), lt: Buffer.from('item0'), limit: 100_000 })
    const items = new Map(rows.map(([key, value]) => [Number(Buffer.from(key).toString().slice(5)), Buffer.from(value).toString().split(' ')[0]]))
    for (const [number, id] of expected) {
      const found = items.get(number)
      if (found !== id) throw new Breach(`${who} has ${found ?? 'nothing'} as number ${String(number)}, which was acknowledged as ${id}`)
    }
    const head = Number(Buffer.from(await disk.get(HEAD) ?? Buffer.from('0')).toString())
    if (items.size !== head) throw new Breach(`${who} has ${String(items.size)} numbers up to ${String(head)}`)
  }
}

/** The changelog is one chain, and each epoch one owner's. */
export function checkLog({ log }: ModelServer): void {
  const tokens = new Map<number, string>()
  log.forEach(({ position, previousToken }, i) => {
    const token = tokens.get(position.epoch)
    if (token !== undefined && token !== position.token) throw new Breach(`epoch ${String(position.epoch)} has entries of two owners`)
    tokens.set(position.epoch, position.token)
    const before = log[i - 1]?.position
    if (before === undefined) return
    if (position.number !== before.number + 1 || previousToken !== before.token) throw new Breach(`entry ${String(position.number)} of the changelog does not continue the one before`)
  })
}
