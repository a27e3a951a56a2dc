/**
 * `ClusterStore` on Redis. Two connections: one for the steps, one for the reads that wait. Nothing is queued while a connection is away, and nothing
 * is sent twice by itself: whoever called decides whether to ask again.
 */
import { createHash } from 'node:crypto'
import { Cluster, type Redis } from 'ioredis'
import {
  type AcquireAnswer, type AcquireRequest, type AppendAnswer, type AppendRequest, type ClusterStore, ClusterStoreError, type Confirmation,
  type LogEntry, type NodeBeat, type NodeSeen, type RebaseRequest, type RenewAnswer, type RenewRequest, type ShardView, type Vote,
} from './cluster-store.js'
import { idOf, type Position, positionOf } from './position.js'
import { ACQUIRE, APPEND, BEAT, LOOK, REBASE, RELEASE, RENEW, TRIM, VOTE } from './redis-scripts.js'

export type RedisClient = Redis | Cluster

export interface RedisStoreOptions {
  /** Opens a connection; called twice, and again where one has given up. See `redis-connect.ts`. */
  readonly connect: () => RedisClient
  /** Name of the cluster: letters, digits, dot, dash, underscore. */
  readonly cluster: string
  readonly shard: number
  /** Of how many. Nodes that say another number see none of this one's keys: what is in shard 0 of 1 is not what is in shard 0 of 4. */
  readonly shards: number
  /** How long an answer may take. */
  readonly timeoutMs: number
  /** Replicas that must have an entry before it counts as appended; 0: none. Not with a Redis Cluster. */
  readonly replicas: number
}

interface Script {
  readonly lua: string
  readonly sha: string
}

type Argument = string | number | Buffer

const SCRIPTS = {
  look: script(LOOK), acquire: script(ACQUIRE), renew: script(RENEW), release: script(RELEASE), append: script(APPEND), rebase: script(REBASE),
  trim: script(TRIM), vote: script(VOTE), beat: script(BEAT),
}

const NAME = /^[A-Za-z0-9._-]{1,64}$/

export class RedisStore implements ClusterStore {
  readonly #options: RedisStoreOptions
  #redis: RedisClient
  #reader: RedisClient
  #isClosed = false
  readonly #keys: { readonly fence: string, readonly lease: string, readonly log: string, readonly confirmed: string, readonly round: string, readonly nodes: string }

  /** Throws RangeError for a name that can't be part of a key. */
  constructor(options: RedisStoreOptions) {
    if (!NAME.test(options.cluster)) throw new RangeError('the name of a cluster has 1 to 64 letters, digits, dots, dashes and underscores')
    this.#options = options
    this.#redis = options.connect()
    this.#reader = options.connect()
    if (options.replicas > 0 && this.#redis instanceof Cluster) throw new RangeError('replicas can\'t be waited for in a Redis Cluster')
    const name = options.shards === 1 ? String(options.shard) : `${String(options.shard)}of${String(options.shards)}`
    const prefix = `chatd:{${options.cluster}:${name}}:`
    this.#keys = {
      fence: `${prefix}fence`, lease: `${prefix}lease`, log: `${prefix}log`, confirmed: `${prefix}confirmed`, round: `${prefix}round`,
      nodes: `chatd:{${options.cluster}${options.shards === 1 ? '' : `:of${String(options.shards)}`}}:nodes`,
    }
  }

  async look(round: string): Promise<ShardView> {
    const { fence, lease, log, round: votes } = this.#keys
    const answer = await this.#run(SCRIPTS.look, [fence, lease, log, votes], [round])
    const leaseMs = number(answer[9])
    return {
      lineage: text(answer[0]) || null, epoch: number(answer[1]), node: text(answer[2]), address: text(answer[3]), members: names(answer[4]),
      heir: text(answer[5]), last: position(answer[6], answer[7]), isWhole: number(answer[8]) === 1, leaseMs: leaseMs < 0 ? null : leaseMs,
      incarnation: text(answer[10]), round: text(answer[11]),
    }
  }

  async acquire(request: AcquireRequest): Promise<AcquireAnswer> {
    const { fence, lease, log, round } = this.#keys
    const { node, address, token, lineage, leaseMs, position: at, epoch, claim, membership } = request
    checkName(node)
    const answer = await this.#run(SCRIPTS.acquire, [fence, lease, log, round], [
      node, address, token, lineage, leaseMs, idOf(at), epoch, claim, membership.members.join(), membership.before.join(), membership.by, membership.change,
    ])
    const kind = text(answer[0])
    switch (kind) {
      case 'acquired': return {
        kind, epoch: number(answer[1]), last: position(answer[2], answer[3]), isWhole: number(answer[4]) === 1, members: names(answer[5]),
        incarnation: text(answer[6]),
      }
      case 'held': return { kind, node: text(answer[1]), leaseMs: number(answer[2]) }
      case 'doubt': return { kind, missing: names(answer[1]) }
      case 'foreign': return { kind, lineage: text(answer[1]) }
      case 'fenced': return { kind, epoch: number(answer[1]) }
      case 'stranger':
      case 'founded': return { kind }
      default: throw strange(kind)
    }
  }

  async renew({ token, leaseMs, complete, incarnation, members, number: renewal }: RenewRequest): Promise<RenewAnswer> {
    const { fence, lease, log, round, confirmed } = this.#keys
    const answer = await this.#run(SCRIPTS.renew, [fence, lease, log, round, confirmed], [
      token, leaseMs, complete === null ? '' : complete.number, incarnation, members.join(), renewal,
    ])
    const kind = text(answer[0])
    switch (kind) {
      case 'renewed': return { kind, incarnation: text(answer[1]), isWhole: number(answer[2]) === 1, confirmed: confirmations(answer[3] as unknown[]) }
      case 'gap': return { kind, last: position(answer[1], answer[2]) }
      case 'fenced': return { kind, epoch: number(answer[1]) }
      default: throw strange(kind)
    }
  }

  async release(token: string, heir: string): Promise<void> {
    await this.#run(SCRIPTS.release, [this.#keys.fence, this.#keys.lease], [token, heir])
  }

  async append({ token, previous, entry }: AppendRequest): Promise<AppendAnswer> {
    const { position: at, previousToken, bytes } = entry
    return this.#written(SCRIPTS.append, [
      token, idOf(previous), previous.token, idOf(at), at.token, previousToken, bufferOf(bytes), this.#options.replicas > 0 ? '1' : '0',
    ])
  }

  async rebase({ token, found, entry }: RebaseRequest): Promise<AppendAnswer> {
    return this.#written(SCRIPTS.rebase, [
      token, idOf(entry.position), entry.position.token, entry.previousToken, bufferOf(entry.bytes), found === null ? '' : idOf(found), found?.token ?? '',
    ])
  }

  async #written(appending: Script, values: readonly Argument[]): Promise<AppendAnswer> {
    const writing = this.#run(appending, [this.#keys.fence, this.#keys.log], values)
    // Sent along, so that it waits for this very write and costs no other way.
    const waiting = this.#options.replicas === 0 ? null : this.#waitForReplicas()
    waiting?.catch(() => { /* told below, where the write has succeeded */ })
    const answer = await writing
    const kind = text(answer[0])
    switch (kind) {
      case 'appended':
        await waiting
        return { kind }
      case 'gap': return { kind, last: position(answer[1], answer[2]) }
      case 'fenced': return { kind, epoch: number(answer[1]) }
      default: throw strange(kind)
    }
  }

  async #waitForReplicas(): Promise<void> {
    const { replicas, timeoutMs } = this.#options
    const have = number(await this.#call(this.#steps(), 'WAIT', [replicas, Math.ceil(timeoutMs / 2)], timeoutMs))
    if (have < replicas) throw new ClusterStoreError('unreplicated', `${String(have)} of ${String(replicas)} replicas of Redis have the entry`)
  }

  async read(after: Position, countMax: number, blockMs: number): Promise<LogEntry[]> {
    const isWaiting = blockMs > 0
    const found = await this.#call(isWaiting ? this.#reads() : this.#steps(), 'XREAD', [
      'COUNT', countMax, ...isWaiting ? ['BLOCK', Math.ceil(blockMs)] : [], 'STREAMS', this.#keys.log, idOf(after),
    ], this.#options.timeoutMs + blockMs) as [Buffer, [Buffer, Buffer[]][]][] | null
    return found === null ? [] : found[0]![1].map(([id, fields]) => entryOf(id, fields))
  }

  async trim(token: string, before: Position): Promise<void> {
    await this.#run(SCRIPTS.trim, [this.#keys.fence, this.#keys.log], [token, idOf(before)])
  }

  async confirm(node: string, { position: at, isCopying }: Confirmation): Promise<void> {
    checkName(node)
    await this.#call(this.#steps(), 'HSET', [this.#keys.confirmed, node, `${idOf(at)} ${at.token} ${isCopying ? 'c' : 'f'}`], this.#options.timeoutMs)
  }

  async vote({ node, round, position: at, epoch, change }: Vote): Promise<void> {
    checkName(node)
    await this.#run(SCRIPTS.vote, [this.#keys.round], [node, round, `${idOf(at)} ${at.token} ${String(epoch)} ${change}`])
  }

  async beat(node: NodeBeat | null, ageMaxMs: number): Promise<NodeSeen[]> {
    if (node !== null) checkName(node.node)
    const seen = await this.#run(SCRIPTS.beat, [this.#keys.nodes], [node?.node ?? '', node?.address ?? '', node?.version ?? '', ageMaxMs]) as unknown[][]
    return seen.map((row) => ({ node: text(row[0]), address: text(row[1]), version: text(row[2]), ageMs: number(row[3]) }))
  }

  /** A client may give up for good, as where it is told to go while it looks for the primary; then there is a new one. */
  #steps(): RedisClient {
    if (this.#redis.status === 'end' && !this.#isClosed) this.#redis = this.#options.connect()
    return this.#redis
  }

  #reads(): RedisClient {
    if (this.#reader.status === 'end' && !this.#isClosed) this.#reader = this.#options.connect()
    return this.#reader
  }

  close(): Promise<void> {
    this.#isClosed = true
    // Nothing that counts waits in them.
    this.#redis.disconnect()
    this.#reader.disconnect()
    return Promise.resolve()
  }

  async #run({ lua, sha }: Script, keys: readonly string[], values: readonly Argument[]): Promise<unknown[]> {
    const { timeoutMs } = this.#options
    try {
      return await this.#call(this.#steps(), 'EVALSHA', [sha, keys.length, ...keys, ...values], timeoutMs) as unknown[]
    } catch (error) {
      if (!(error instanceof ClusterStoreError) || !error.message.includes('NOSCRIPT')) throw error
      return await this.#call(this.#steps(), 'EVAL', [lua, keys.length, ...keys, ...values], timeoutMs) as unknown[]
    }
  }

  #call(redis: RedisClient, command: string, values: readonly Argument[], timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new ClusterStoreError('unreachable', `Redis has not answered within ${String(timeoutMs)} ms`))
        // What hangs would be answered into nothing, and what comes behind it hangs as well.
        if (redis.status === 'ready') redis.disconnect(true)
      }, timeoutMs)
      redis.callBuffer(command, ...values).then((answer) => {
        clearTimeout(timer)
        resolve(answer)
      }, (error: unknown) => {
        clearTimeout(timer)
        reject(storeError(error))
      })
    })
  }
}

function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** Answers of Redis that say that nothing has happened, and that asking again at once changes nothing. */
const REFUSED = /^(OOM|NOPERM|NOAUTH|WRONGPASS|MISCONF|WRONGTYPE|NOREPLICAS|ERR )/

function storeError(error: unknown): ClusterStoreError {
  const message = error instanceof Error ? error.message : String(error)
  const isReply = error instanceof Error && error.name === 'ReplyError'
  // Whatever a script throws it throws before its first write, or at it.
  const isRefused = isReply && REFUSED.test(message.replace(/^ERR Error running script.*?: /, '')) && !message.includes('NOSCRIPT')
  return new ClusterStoreError(isRefused ? 'refused' : 'unreachable', `Redis: ${message}`, { cause: error })
}

function strange(kind: string): ClusterStoreError {
  return new ClusterStoreError('refused', `Redis answers with "${kind}", which no script of this program does`)
}

function checkName(node: string): void {
  if (!NAME.test(node)) throw new RangeError('the name of a node has 1 to 64 letters, digits, dots, dashes and underscores')
}

function entryOf(id: Buffer, fields: readonly Buffer[]): LogEntry {
  const [, token, , previousToken, , bytes] = fields
  const at = positionOf(id.toString('latin1'), token?.toString('latin1') ?? '')
  if (at === null || previousToken === undefined || bytes === undefined) {
    throw new ClusterStoreError('refused', `the changelog in Redis has an entry that no node has written (${id.toString('latin1')}): remove it`)
  }
  return { position: at, previousToken: previousToken.toString('latin1'), bytes }
}

function confirmations(flat: readonly unknown[]): ReadonlyMap<string, Confirmation> {
  const confirmed = new Map<string, Confirmation>()
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const [id, token, state] = text(flat[i + 1]).split(' ')
    const at = positionOf(id ?? '', token ?? '')
    if (at !== null) confirmed.set(text(flat[i]), { position: at, isCopying: state === 'c' })
  }
  return confirmed
}

function position(id: unknown, token: unknown): Position | null {
  return positionOf(text(id), text(token))
}

function names(list: unknown): string[] {
  return text(list).split(',').filter((name) => name !== '')
}

function text(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value)
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : Number(text(value))
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
