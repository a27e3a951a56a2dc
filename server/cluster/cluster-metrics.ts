/** Numbers of a node of a cluster, for the operator. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { LinkCounters } from '../link/link-environment.js'
import type { ClusterRouter } from '../router/cluster-router.js'
import type { LinkServer } from '../router/link-server.js'
import type { ClusterNode } from './node.js'

/** What is told of a node's part in a shard; see NodePart. */
export interface ShardSources {
  readonly node: ClusterNode | null
  readonly router: ClusterRouter
  readonly linkServer: LinkServer
  readonly waitingForUpgrade: readonly { readonly waiting: number }[]
}

export interface ClusterSources {
  /** By the numbers of their shards. */
  readonly parts: readonly ShardSources[]
  readonly links: LinkCounters
}

export function addClusterMetrics(registry: Registry, { parts, links }: ClusterSources): void {
  const counter = (name: string, help: string, value: () => number): void => {
    new Counter({
      name, help, registers: [registry],
      collect() {
        this.reset()
        this.inc(value())
      },
    })
  }
  const sum = (value: (part: ShardSources) => number) => (): number => parts.reduce((total, part) => total + value(part), 0)
  /** One value for each shard. */
  const gauge = (name: string, help: string, value: (part: ShardSources) => number): void => {
    new Gauge({
      name, help, labelNames: ['shard'], registers: [registry],
      collect() { parts.forEach((part, shard) => this.set({ shard }, value(part))) },
    })
  }
  gauge('chatd_cluster_owner', 'Does this node own the shard? (1: yes)', ({ node }) => node?.report.role === 'owner' ? 1 : 0)
  gauge('chatd_cluster_has_owner', 'Does this node reach the owner of the shard? (1: yes)', ({ router }) => router.hasOwner ? 1 : 0)
  gauge('chatd_cluster_trouble', 'Does something keep this node from taking part? (1: yes; chatd cluster status says what)', ({ node }) => node?.report.trouble === '' ? 0 : 1)
  gauge('chatd_cluster_epoch', 'Which ownership is its place in the changelog of?', ({ node }) => node?.report.position.epoch ?? 0)
  gauge('chatd_cluster_position', 'How far has this node got in the changelog?', ({ node }) => node?.report.position.number ?? 0)
  gauge('chatd_cluster_entries_for_upgrade', 'How many entries of the shard wait for nodes of an earlier version? (upgrade these; chatd cluster status says more)',
    ({ waitingForUpgrade }) => waitingForUpgrade.reduce((sum, { waiting }) => sum + waiting, 0))
  gauge('chatd_cluster_sessions_waiting', 'How many sessions of this node wait for an owner?', ({ router }) => router.waitingSessions)
  gauge('chatd_cluster_sessions_served', 'How many sessions of other nodes does this one serve?', ({ linkServer }) => linkServer.sessions)
  new Gauge({
    name: 'chatd_cluster_nodes', help: 'How many nodes have shown themselves of late?', registers: [registry],
    collect() { this.set(parts[0]?.node?.directory.nodes.length ?? 0) },
  })
  counter('chatd_cluster_sessions_resumed_total', 'How many sessions went on at another owner?', sum(({ router }) => router.resumed))
  counter('chatd_cluster_sessions_abandoned_total', 'How many ended for want of one?', sum(({ router }) => router.abandoned))
  counter('chatd_links_opened_total', 'How many links to other nodes were opened?', () => links.linksOpened)
  counter('chatd_links_ended_total', 'How many of them have ended?', () => links.linksEnded)
  counter('chatd_link_bytes_received_total', 'How much comes over links?', () => links.linkBytesIn)
  counter('chatd_link_bytes_sent_total', 'How much goes over links?', () => links.linkBytesOut)
}
