/** Numbers of a node of a cluster, for the operator. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { LinkCounters } from '../link/link-environment.js'
import type { ClusterRouter } from '../router/cluster-router.js'
import type { LinkServer } from '../router/link-server.js'
import type { ClusterNode } from './node.js'

export interface ClusterSources {
  readonly node: ClusterNode
  readonly router: ClusterRouter
  readonly linkServer: LinkServer
  readonly links: LinkCounters
}

export function addClusterMetrics(registry: Registry, { node, router, linkServer, links }: ClusterSources): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({ name, help, registers: [registry], collect() { this.set(value()) } })
  }
  const counter = (name: string, help: string, value: () => number): void => {
    new Counter({
      name, help, registers: [registry],
      collect() {
        this.reset()
        this.inc(value())
      },
    })
  }
  gauge('chatd_cluster_owner', 'Does this node own the shard? (1: yes)', () => node.report.role === 'owner' ? 1 : 0)
  gauge('chatd_cluster_has_owner', 'Does this node reach the owner of the shard? (1: yes)', () => router.hasOwner ? 1 : 0)
  gauge('chatd_cluster_trouble', 'Does something keep this node from taking part? (1: yes; chatd cluster status says what)', () => node.report.trouble === '' ? 0 : 1)
  gauge('chatd_cluster_epoch', 'Which ownership is its place in the changelog of?', () => node.report.position.epoch)
  gauge('chatd_cluster_position', 'How far has this node got in the changelog?', () => node.report.position.number)
  gauge('chatd_cluster_nodes', 'How many nodes have shown themselves of late?', () => node.directory.nodes.length)
  gauge('chatd_cluster_sessions_waiting', 'How many sessions of this node wait for an owner?', () => router.waitingSessions)
  gauge('chatd_cluster_sessions_served', 'How many sessions of other nodes does this one serve?', () => linkServer.sessions)
  counter('chatd_cluster_sessions_resumed_total', 'How many sessions went on at another owner?', () => router.resumed)
  counter('chatd_cluster_sessions_abandoned_total', 'How many ended for want of one?', () => router.abandoned)
  counter('chatd_links_opened_total', 'How many links to other nodes were opened?', () => links.linksOpened)
  counter('chatd_links_ended_total', 'How many of them have ended?', () => links.linksEnded)
  counter('chatd_link_bytes_received_total', 'How much comes over links?', () => links.linkBytesIn)
  counter('chatd_link_bytes_sent_total', 'How much goes over links?', () => links.linkBytesOut)
}
