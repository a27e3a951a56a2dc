/** How clients reach the node that owns the shard: asked of that node, each time it is another one. */
import type { ClientHosts } from '../connection/redirects.js'
import { parseListenUrl } from '../config/listen-url.js'
import type { Scheduler } from '../shard/environment.js'
import type { DirectoryView } from './directory.js'

const RETRY_MS = 1000
const HOSTS_MAX = 16

/** `host:port` by scheme, of URLs as `listen.urls` has them; the first one of a scheme counts. */
export function clientHosts(urls: readonly string[]): ClientHosts {
  const hosts: Record<string, string> = {}
  for (const url of urls) {
    const parsed = parseListenUrl(url)
    if (parsed !== null) hosts[parsed.scheme] ??= url.slice(url.indexOf('://') + 3).replace(/\/$/, '')
  }
  return hosts
}

export class OwnerHosts {
  readonly #ask: (node: string, address: string) => Promise<unknown>
  readonly #scheduler: Scheduler
  /** Counts what is followed: an answer for something else is in vain. */
  #turn = 0
  #hosts: ClientHosts | null = null

  /** @param ask asks a node for its `clientHosts` */
  constructor(ask: (node: string, address: string) => Promise<unknown>, scheduler: Scheduler) {
    this.#ask = ask
    this.#scheduler = scheduler
  }

  /** null: this node owns the shard, or nobody does, or the owner has not said. */
  get hosts(): ClientHosts | null {
    return this.#hosts
  }

  follow({ owner, isSelf }: DirectoryView): void {
    this.#turn++
    this.#hosts = null
    if (owner !== null && !isSelf) this.#find(owner.node, owner.address)
  }

  #find(node: string, address: string): void {
    const turn = this.#turn
    this.#ask(node, address).then((answer) => {
      if (turn === this.#turn) this.#hosts = checked(answer)
    }, () => {
      this.#scheduler.after(RETRY_MS, () => { if (turn === this.#turn) this.#find(node, address) })
    })
  }
}

/** Nodes of other versions may say other things. */
function checked(answer: unknown): ClientHosts {
  const entries = Object.entries(Object(answer) as Record<string, unknown>).slice(0, HOSTS_MAX)
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string' && parseListenUrl(`${entry[0]}://${entry[1]}`) !== null))
}
