/** What lies between the nodes of a proof, their Redis and the clients: something that can be cut and slowed down. */

/** Names of places, beside those of nodes. */
export const REDIS = 'redis'
/** All nodes, where it does not matter which one comes. */
export const NODES = 'nodes'

export interface NetworkPlace {
  /** Where processes of this place listen. */
  readonly host: string
  /** What their command lines begin with. */
  readonly through: readonly string[]
}

/** How packets fare on a bad line, each way. */
export interface Line {
  readonly delayMs: number
  /** 0 to 1. */
  readonly lossShare: number
}

export interface Network {
  place(name: string): NetworkPlace
  /** HOST:PORT by which `from` reaches what listens at this port of `to`. */
  reach(from: string, to: string, port: number): Promise<string>
  /** What `from` sends to `to` vanishes, and neither is told; the other direction is another cut. Clients can't be cut off. */
  cut(from: string, to: string): void
  /** Everything to and from these places takes longer, and some of it is lost. */
  slow(names: readonly string[], line: Line): void
  /** All is as it was in the beginning. */
  heal(): void
}

/** Nothing of it can be cut. */
export const LOOPBACK: Network = {
  place: () => ({ host: '127.0.0.1', through: [] }),
  reach: (_from, _to, port) => Promise.resolve(`127.0.0.1:${String(port)}`),
  cut: unable,
  slow: unable,
  heal: () => undefined,
}

function unable(): never {
  throw new TypeError('loopback can\'t be cut')
}
