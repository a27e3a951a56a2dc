/** What no single value of the section cluster shows. */
import { isExposed, parseLinkAddress } from '../link/link-address.js'
import { ConfigError } from './config-error.js'
import { parseListenUrl } from './listen-url.js'
import type { Config } from './settings.js'

/** As they stand in Redis keys and on links. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const REDIS_URL = /^rediss?:\/\/[^\s/@]+\/?$/

/** Throws ConfigError. Of a server that stands alone nothing is looked at. */
export function checkCluster({ cluster, data, listen }: Config): void {
  if (cluster.redis.length === 0) return
  if (data.shards > 1 && listen.workers !== 1) throw new ConfigError('listen.workers: a node of a cluster with several shards has no worker processes; start more nodes')
  for (const url of cluster.redis) {
    if (!REDIS_URL.test(url) || !URL.canParse(url)) {
      throw new ConfigError(`cluster.redis: ${url.replace(/\/\/[^@]*@/, '//…@')} is no redis://HOST:PORT; user and password are settings of their own`)
    }
  }
  for (const [name, value] of [['cluster.name', cluster.name], ['cluster.node', cluster.node]] as const) {
    if (!NAME.test(value)) throw new ConfigError(`${name} is ${JSON.stringify(value)}: give letters, digits, dots and dashes, at most 63`)
  }
  if (cluster.secretFile === '') throw new ConfigError('cluster.secretFile is empty: name a file with the secret that all nodes share; chatd cluster secret makes one')
  for (const url of cluster.clientUrls) {
    if (parseListenUrl(url) === null) throw new ConfigError(`cluster.clientUrls: ${url} is nothing that clients connect to: write tcp://HOST:PORT, tls://, ws:// or wss://`)
  }
  if (cluster.redisReplicas > 0 && cluster.redis.length > 1 && cluster.sentinelMaster === '') {
    throw new ConfigError('cluster.redisReplicas can\'t be had with a Redis Cluster: use Sentinels, or 0')
  }
  checkLink(cluster)
  if (cluster.renewEveryMs * 2 > cluster.leaseMs) {
    throw new ConfigError(`cluster.renewEveryMs (${String(cluster.renewEveryMs)}) is more than half of cluster.leaseMs (${String(cluster.leaseMs)}): one lost renewal would lose the shard`)
  }
}

function checkLink(cluster: Config['cluster']): void {
  for (const [name, text] of [['cluster.link', cluster.link], ['cluster.linkAddress', cluster.linkAddress]] as const) {
    if (text === '' && name === 'cluster.linkAddress') continue
    const address = parseLinkAddress(text)
    if (address === null) throw new ConfigError(`${name}: ${text} is no address of a link: write tcp://HOST:PORT, tls://HOST:PORT or unix:PATH`)
    if (isExposed(address) && !cluster.allowPlaintextLinks) {
      throw new ConfigError(`${name}: ${text} is plaintext beyond loopback: use tls://, or set cluster.allowPlaintextLinks = true if nobody else reads that network`)
    }
    if (address.kind === 'tls' && (cluster.tlsCertificate === '' || cluster.tlsKey === '' || cluster.tlsCa === '')) {
      throw new ConfigError(`${name}: ${text} needs cluster.tlsCertificate, cluster.tlsKey and cluster.tlsCa`)
    }
  }
}
