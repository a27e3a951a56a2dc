/**
 * `ClusterStore` on Redis. Two connections: one for the steps, one for the reads that wait. Nothing is queued while a connection is away, and nothing
 * is sent twice by itself: whoever called decides whether to ask again.
 */
import { createHash } from 'node:crypto'
import { Cluster, Command } from 'ioredis'
import {
  type AcquireAnswer, type AcquireRequest, type AppendAnswer, type AppendRequest, type BeatAnswer, type ClusterStore, ClusterStoreError, type Confirmation,
  type LogEntry, type NameClaim, type NodeBeat, type RebaseRequest, type RenewAnswer, type RenewRequest, type ShardView, type Vote,
} from './cluster-store.js'
import { PackedScript } from './packed-command.js'
import { idOf, type Position, positionOf } from './position.js'
import { RedisAnswers, storeError } from './redis-answers.js'
import { failureOf, type RedisClient } from './redis-connect.js'
import { ACQUIRE, APPEND, BEAT, LOOK, REBASE, RELEASE, RENEW, TRIM, VOTE } from './redis-scripts.js'

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

/** What the scripts that append say where they have. */
const APPENDED = 1

const NAME = /^[A-Za-z0-9._-]{1,64}$/

export class RedisStore implements ClusterStore {
  readonly #options: RedisStoreOptions
  #redis: RedisClient
  #reader: RedisClient
  #isClosed = false
  readonly #answers = new RedisAnswers()
  readonly #append: PackedScript
  readonly #logKeys: readonly string[]
  /** Made in the background, while a node begins with its questions. */
  readonly #firstConnection: Promise<void>
  readonly #keys: { readonly fence: string, readonly lease: string, readonly log: string, readonly confirmed: string, readonly round: string, readonly nodes: string, readonly lives: string }

  /** Throws RangeError for a name that can't be part of a key. */
  constructor(options: RedisStoreOptions) {
    if (!NAME.test(options.cluster)) throw new RangeError('the name of a cluster has 1 to 64 letters, digits, dots, dashes and underscores')
    this.#options = options
    this.#redis = options.connect()
    this.#firstConnection = readyOrAway(this.#redis, options.timeoutMs)
    this.#reader = options.connect()
    if (options.replicas > 0 && this.#redis instanceof Cluster) throw new RangeError('replicas can\'t be waited for in a Redis Cluster')
    const name = options.shards === 1 ? String(options.shard) : `${String(options.shard)}of${String(options.shards)}`
    const prefix = `chatd:{${options.cluster}:${name}}:`
    const all = `chatd:{${options.cluster}${options.shards === 1 ? '' : `:of${String(options.shards)}`}}:`
    this.#keys = {
      fence: `${prefix}fence`, lease: `${prefix}lease`, log: `${prefix}log`, confirmed: `${prefix}confirmed`, round: `${prefix}round`,
      nodes: `${all}nodes`, lives: `${all}lives`,
    }
    this.#logKeys = [this.#keys.fence, this.#keys.log]
    this.#append = new PackedScript(SCRIPTS.append.sha, this.#logKeys)
  }

  async look(round: string): Promise<ShardView> {
    await this.#firstConnection
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

  append({ token, previous, entry }: AppendRequest): Promise<AppendAnswer> {
    const { position: at, previousToken, bytes } = entry
    const values = [
      token, idOf(previous), previous.token, idOf(at), at.token, previousToken, bufferOf(bytes), this.#options.replicas > 0 ? '1' : '0',
    ]
    return this.#write(SCRIPTS.append, values, this.#append.command(values))
  }

  rebase({ token, found, entry }: RebaseRequest): Promise<AppendAnswer> {
    const values = [
      token, idOf(entry.position), entry.position.token, entry.previousToken, bufferOf(entry.bytes), found === null ? '' : idOf(found), found?.token ?? '',
    ]
    return this.#write(SCRIPTS.rebase, values, evalSha(SCRIPTS.rebase, this.#logKeys, values))
  }

  async #write(script: Script, values: readonly Argument[], command: Command): Promise<AppendAnswer> {
    const writing = this.#answers.to(this.#steps(), command, this.#options.timeoutMs)
    // Sent along, so that it waits for this very write and costs no other way.
    let waiting = this.#waitForReplicas()
    let answer: unknown
    try {
      answer = await writing
    } catch (error) {
      answer = await this.#runInFull(error, script, this.#logKeys, values)
      // The other one has waited for nothing.
      waiting = this.#waitForReplicas()
    }
    if (answer === APPENDED) {
      if (waiting !== null) await waiting
      return { kind: 'appended' }
    }
    const [word, ...rest] = answer as unknown[]
    const kind = text(word)
    switch (kind) {
      case 'gap': return { kind, last: position(rest[0], rest[1]) }
      case 'fenced': return { kind, epoch: number(rest[0]) }
      default: throw strange(kind)
    }
  }

  /** null: none are asked for. Whoever has it may leave it alone. */
  #waitForReplicas(): Promise<void> | null {
    const { replicas, timeoutMs } = this.#options
    if (replicas === 0) return null
    const waiting = this.#call(this.#steps(), 'WAIT', [replicas, Math.ceil(timeoutMs / 2)], timeoutMs).then((answer) => {
      const have = number(answer)
      if (have < replicas) throw new ClusterStoreError('unreplicated', `${String(have)} of ${String(replicas)} replicas of Redis have the entry`)
    })
    waiting.catch(() => { /* told where the write has succeeded */ })
    return waiting
  }

  async read(after: Position, countMax: number, blockMs: number): Promise<LogEntry[]> {
    const isWaiting = blockMs > 0
    const found = await this.#call(isWaiting ? this.#reads() : this.#steps(), 'XREAD', [
      'COUNT', countMax, ...isWaiting ? ['BLOCK', Math.ceil(blockMs)] : [], 'STREAMS', this.#keys.log, idOf(after),
    ], this.#options.timeoutMs + blockMs) as [Buffer, [Buffer, Buffer[]][]][] | null
    return found === null ? [] : found[0]![1].map(([id, fields]) => entryOf(id, fields))
  }

  async trim(token: string, before: Position): Promise<void> {
    await this.#run(SCRIPTS.trim, this.#logKeys, [token, idOf(before)])
  }

  async confirm(node: string, { position: at, isCopying }: Confirmation): Promise<void> {
    checkName(node)
    await this.#call(this.#steps(), 'HSET', [this.#keys.confirmed, node, `${idOf(at)} ${at.token} ${isCopying ? 'c' : 'f'}`], this.#options.timeoutMs)
  }

  async vote({ node, round, position: at, epoch, change }: Vote): Promise<void> {
    checkName(node)
    await this.#run(SCRIPTS.vote, [this.#keys.round], [node, round, `${idOf(at)} ${at.token} ${String(epoch)} ${change}`])
  }

  async beat(node: (NodeBeat & NameClaim) | null, ageMaxMs: number): Promise<BeatAnswer> {
    if (node !== null) checkName(node.node)
    await this.#firstConnection
    const { nodes, lives } = this.#keys
    const [holder, leftMs, seen] = await this.#run(SCRIPTS.beat, [nodes, lives], [
      node?.node ?? '', node?.address ?? '', node?.version ?? '', ageMaxMs, node?.life ?? '', node?.lifeMs ?? 0, node?.instead ?? '',
    ])
    return {
      nodes: (seen as unknown[][]).map((row) => ({ node: text(row[0]), address: text(row[1]), version: text(row[2]), ageMs: number(row[3]) })),
      holder: text(holder) === '' ? null : { beat: text(holder), leftMs: number(leftMs) },
    }
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

  async #run(script: Script, keys: readonly string[], values: readonly Argument[]): Promise<unknown[]> {
    try {
      return await this.#answers.to(this.#steps(), evalSha(script, keys, values), this.#options.timeoutMs) as unknown[]
    } catch (error) {
      return await this.#runInFull(error, script, keys, values) as unknown[]
    }
  }

  /** Sends the script itself where that is what a call by its sha says that Redis lacks. */
  #runInFull(error: unknown, { lua }: Script, keys: readonly string[], values: readonly Argument[]): Promise<unknown> {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw storeError(error, failureOf(this.#redis))
    return this.#call(this.#steps(), 'EVAL', [lua, keys.length, ...keys, ...values], this.#options.timeoutMs)
  }

  async #call(redis: RedisClient, command: string, values: readonly Argument[], timeoutMs: number): Promise<unknown> {
    try {
      return await this.#answers.to(redis, commandOf(command, values), timeoutMs)
    } catch (error) {
      throw storeError(error, failureOf(redis))
    }
  }
}

function evalSha({ sha }: Script, keys: readonly string[], values: readonly Argument[]): Command {
  return commandOf('EVALSHA', [sha, keys.length, ...keys, ...values])
}

/** With strings as bytes in its answer. */
function commandOf(name: string, values: readonly Argument[]): Command {
  return new Command(name, [...values], { replyEncoding: null })
}

/** Resolves as soon as the client can be asked, or has found that it can't, after `timeoutMs` in any case. */
function readyOrAway(redis: RedisClient, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs).unref()
    const settle = (): void => {
      clearTimeout(timer)
      resolve()
    }
    redis.once('ready', settle)
    redis.once('error', settle)
  })
}

function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
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
