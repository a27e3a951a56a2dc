/** Connections to the operator's Redis: one server, one behind Sentinels, or a Redis Cluster. */
import { Cluster, Redis } from 'ioredis'
import type { Log } from '../log.js'

export type RedisClient = Redis | Cluster

export interface RedisTarget {
  readonly mode: 'standalone' | 'sentinel' | 'cluster'
  /** `redis://HOST:PORT` or `rediss://HOST:PORT`: the server; the Sentinels; some nodes of the cluster. */
  readonly urls: readonly string[]
  /** What the Sentinels call it. */
  readonly sentinelName: string
  /** '': none. */
  readonly user: string
  readonly password: string
}

/** Between two attempts to connect: short, since a lease is. */
const RECONNECT_MAX_MS = 500
const CONNECT_TIMEOUT_MS = 2000
/** What takes the connection may hang all the same: for its first answers. Another one may have its place by then. */
const FIRST_ANSWER_TIMEOUT_MS = 1000
/** Until a connection that is left is cut: what hangs does not end it from its side. */
const END_TIMEOUT_MS = 100

/** Of connections that are away. */
const failures = new WeakMap<RedisClient, string>()

/** Why it is away; '': it is not, or that is not known. */
export function failureOf(redis: RedisClient): string {
  return failures.get(redis) ?? ''
}

/** Throws TypeError for a URL that is none. */
export function connectRedis({ mode, urls, sentinelName, user, password }: RedisTarget, log: Log): RedisClient {
  const addresses = urls.map((url) => new URL(url))
  const hosts = addresses.map((url) => ({ host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 6379 : Number(url.port) }))
  const [first] = hosts
  if (first === undefined) throw new TypeError('no Redis is named')
  const common = {
    ...user === '' ? {} : { username: user },
    ...password === '' ? {} : { password },
    ...addresses[0]!.protocol === 'rediss:' ? { tls: {} } : {},
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: END_TIMEOUT_MS,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    protocol: 2 as const,
  }
  const retryDelayMs = (times: number): number => Math.min(RECONNECT_MAX_MS, times * 50)
  const single = {
    ...common,
    enableOfflineQueue: false,
    retryStrategy: retryDelayMs,
    // A replica that was the primary: there is another one now.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  }
  const client = mode === 'cluster'
    ? new Cluster(hosts, {
      redisOptions: common, enableOfflineQueue: false, clusterRetryStrategy: retryDelayMs, slotsRefreshTimeout: FIRST_ANSWER_TIMEOUT_MS,
      // It asks any one node how the cluster is, and waits without end where that one hangs.
      enableReadyCheck: false,
    })
    : mode === 'sentinel'
      ? new Redis({ ...single, sentinels: hosts, name: sentinelName, sentinelRetryStrategy: retryDelayMs, sentinelCommandTimeout: FIRST_ANSWER_TIMEOUT_MS })
      : new Redis({ ...single, ...first })
  if (client instanceof Cluster) client.on('+node', readDirectly)
  else {
    readDirectly(client)
    leaveWhatHangs(client)
  }
  // Said once for each time it goes away; without a listener the process would end.
  let isAway = false
  client.on('error', (error: Error) => {
    if (!isAway) log.warn({ error }, 'redis-away')
    isAway = true
    failures.set(client, reasonOf(error))
  })
  client.on('ready', () => {
    if (isAway) log.info({}, 'redis-back')
    isAway = false
    failures.delete(client)
  })
  return client
}

/** Of a Redis Cluster it is what the last of its nodes said. */
function reasonOf(error: Error & { readonly lastNodeError?: Error | null }): string {
  return (error.lastNodeError ?? error).message
}

/** ioredis waits without end for the first answers of what has taken the connection. Commands have a time limit of their own, see `redis-answers.ts`. */
function leaveWhatHangs(redis: Redis): void {
  let timer: NodeJS.Timeout | undefined
  redis.on('connect', () => {
    clearTimeout(timer)
    timer = setTimeout(() => { redis.disconnect(true) }, FIRST_ANSWER_TIMEOUT_MS).unref()
  })
  const forget = (): void => { clearTimeout(timer) }
  redis.on('ready', forget)
  redis.on('close', forget)
}

/**
 * ioredis listens to its socket by `prependListener`, which Node's streams do not notice: what comes would go through the stream's buffer, and be handed over
 * a turn later. That there is another listener is what they look at.
 */
function readDirectly(redis: Redis): void {
  redis.on('connect', () => { redis.stream.on('data', ignore) })
}

function ignore(): void { /* ioredis has read it */ }
