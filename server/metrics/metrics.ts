/**
 * Numbers for the operator. The parts of the server count with plain integers in `Counters`; only a scrape turns them into text. No
 * label ever holds a user, a device or an address: their number has no bound.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import { ERRORS, type ErrorCode } from '../../protocol/generated/registry.js'
import type { ListenScheme } from '../config/listen-url.js'

/** Everything that is counted on the way of a frame. Fields only grow, but for the gauges at the end. */
export class Counters {
  bytesIn = 0
  bytesOut = 0
  framesIn = 0
  framesOut = 0
  flushes = 0
  stanzas = 0
  acks = 0
  refusals = 0
  entries = 0
  cursors = 0
  queries = 0
  queryFailures = 0
  /** Frames of the ephemeral lane, and those that a busy connection was spared. */
  ephemeralIn = 0
  ephemeralOut = 0
  ephemeralDropped = 0
  pings = 0
  throttled = 0
  descriptorsMissed = 0
  opened = 0
  resumed = 0
  tooOld = 0
  /** Bytes of bodies, by HTTP. */
  blobBytesIn = 0
  blobBytesOut = 0
  /** Put into the store, with renditions. */
  blobBytesStored = 0
  uploadsFinished = 0
  previewsMade = 0
  previewsFailed = 0
  /** Gauges: bodies of uploads that are read, and downloads that are sent, now. */
  uploadsReading = 0
  downloadsSending = 0
  /** By the name of the error. */
  readonly uploadsRefused = new Map<string, number>()
  /** By status. */
  readonly downloads = new Map<string, number>()
  /** By the code of BlobError. */
  readonly blobStoreErrors = new Map<string, number>()
  /** Gauge: sessions that are open now. */
  sessions = 0
  readonly connections: Record<ListenScheme, number> = { tcp: 0, tls: 0, ws: 0, wss: 0 }
  readonly accepted: Record<ListenScheme, number> = { tcp: 0, tls: 0, ws: 0, wss: 0 }
  readonly authentications = new Map<string, number>()
  readonly closes = new Map<string, number>()

  /** A connection ended; `by` is the side that wanted it. */
  closed(error: ErrorCode, by: 'server' | 'client'): void {
    increment(this.closes, `${ERRORS.get(error)?.name ?? String(error)}\n${by}`)
  }

  /** A request of an upload was refused, with a code of the registry. */
  uploadRefused(error: ErrorCode): void {
    increment(this.uploadsRefused, ERRORS.get(error)?.name ?? String(error))
  }

  downloadAnswered(status: number): void {
    increment(this.downloads, String(status))
  }

  blobStoreFailed(code: string): void {
    increment(this.blobStoreErrors, code)
  }

  authenticated(mechanism: string, result: 'ok' | 'refused'): void {
    increment(this.authentications, `${mechanism}\n${result}`)
  }
}

function increment(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}

/** What a shard tells about itself. */
export interface ShardGauges {
  readonly isAvailable: boolean
  readonly waiting: number
  readonly lastCommitOperations: number
  /** null: search is off. */
  readonly indexer: { readonly waiting: number; readonly made: number; readonly searches: number; readonly searchRows: number } | null
}

/** The registry behind `/metrics`. One for each server, so that two servers in one process do not mix. `shard`: null while there is none here. */
export function createMetrics(counters: Counters, shard: () => ShardGauges | null): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const gauge = (name: string, question: string, value: () => number): void => {
    new Gauge({ name, help: question, registers: [registry], collect() { this.set(value()) } })
  }
  const counter = (name: string, question: string, value: () => number): void => {
    new Counter({ name, help: question, registers: [registry], collect() { setCounter(this, value()) } })
  }
  const labelled = (name: string, question: string, label: string, values: ReadonlyMap<string, number>): void => {
    new Counter({
      name, help: question, labelNames: [label], registers: [registry],
      collect() {
        this.reset()
        for (const [key, value] of values) this.inc({ [label]: key }, value)
      },
    })
  }

  new Gauge({
    name: 'chatd_connections', help: 'How many connections are open, by transport?', labelNames: ['transport'], registers: [registry],
    collect() { for (const [transport, value] of Object.entries(counters.connections)) this.set({ transport }, value) },
  })
  gauge('chatd_sessions', 'How many devices are online?', () => counters.sessions)
  gauge('chatd_store_available', 'Do commits succeed? (1: yes)', () => shard()?.isAvailable === true ? 1 : 0)
  gauge('chatd_waiting_commands', 'How many commands wait for something to be read from the store?', () => shard()?.waiting ?? 0)
  gauge('chatd_commit_operations', 'How many operations did the last commit gather?', () => shard()?.lastCommitOperations ?? 0)
  gauge('chatd_search_segments_waiting', 'How far is the index of searches behind? (segments of 256 messages)', () => shard()?.indexer?.waiting ?? 0)
  new Counter({
    name: 'chatd_connections_accepted_total', help: 'How fast do clients connect, by transport?', labelNames: ['transport'], registers: [registry],
    collect() {
      this.reset()
      for (const [transport, value] of Object.entries(counters.accepted)) this.inc({ transport }, value)
    },
  })
  new Counter({
    name: 'chatd_connections_closed_total', help: 'Why do connections end, and who ends them?', labelNames: ['reason', 'by'], registers: [registry],
    collect() { setLabelled(this, counters.closes, 'reason', 'by') },
  })
  new Counter({
    name: 'chatd_authentications_total', help: 'How do clients authenticate, and how often is it refused?', labelNames: ['mechanism', 'result'],
    registers: [registry], collect() { setLabelled(this, counters.authentications, 'mechanism', 'result') },
  })
  counter('chatd_sessions_opened_total', 'How many devices came online?', () => counters.opened)
  counter('chatd_sessions_resumed_total', 'How many of them went on from their cursor?', () => counters.resumed)
  counter('chatd_sessions_too_old_total', 'How many of them had to sync because their cursor was too old?', () => counters.tooOld)
  counter('chatd_bytes_received_total', 'How much do clients send?', () => counters.bytesIn)
  counter('chatd_bytes_sent_total', 'How much is sent to clients?', () => counters.bytesOut)
  counter('chatd_frames_received_total', 'How many frames do clients send?', () => counters.framesIn)
  counter('chatd_frames_sent_total', 'How many frames are sent to clients?', () => counters.framesOut)
  counter('chatd_writes_total', 'How many writes carry them? (frames sent / writes: how well do they batch?)', () => counters.flushes)
  counter('chatd_stanzas_received_total', 'How many messages and marks come in?', () => counters.stanzas)
  counter('chatd_acks_sent_total', 'How many of them were committed?', () => counters.acks)
  counter('chatd_refusals_sent_total', 'How many of them were refused?', () => counters.refusals)
  counter('chatd_entries_sent_total', 'How many queue entries go out?', () => counters.entries)
  counter('chatd_cursors_received_total', 'How many acknowledgements cover them? (entries / cursors: how well do they merge?)', () => counters.cursors)
  counter('chatd_queries_total', 'How many queries are asked?', () => counters.queries)
  counter('chatd_query_failures_total', 'How many of them fail?', () => counters.queryFailures)
  counter('chatd_search_segments_total', 'How many segments of the index were made?', () => shard()?.indexer?.made ?? 0)
  counter('chatd_searches_total', 'How many pages of searches are answered?', () => shard()?.indexer?.searches ?? 0)
  counter('chatd_search_rows_total', 'What do they cost? (rows read, and what takes as long)', () => Math.round(shard()?.indexer?.searchRows ?? 0))
  counter('chatd_ephemeral_received_total', 'How much presence, typing and activity do clients send?', () => counters.ephemeralIn)
  counter('chatd_ephemeral_sent_total', 'How much of it goes out?', () => counters.ephemeralOut)
  counter('chatd_ephemeral_dropped_total', 'How often was a connection too busy for it?', () => counters.ephemeralDropped)
  counter('chatd_pings_sent_total', 'How often must the server ask for a sign of life?', () => counters.pings)
  gauge('chatd_blob_uploads_reading', 'How many bodies of uploads are read at present?', () => counters.uploadsReading)
  gauge('chatd_blob_downloads_sending', 'How many downloads are sent at present?', () => counters.downloadsSending)
  counter('chatd_blob_bytes_received_total', 'How much is uploaded?', () => counters.blobBytesIn)
  counter('chatd_blob_bytes_sent_total', 'How much is downloaded?', () => counters.blobBytesOut)
  counter('chatd_blob_bytes_stored_total', 'How much went into the blob store? (with thumbnails)', () => counters.blobBytesStored)
  counter('chatd_blob_uploads_finished_total', 'How many uploads became blobs?', () => counters.uploadsFinished)
  counter('chatd_blob_previews_made_total', 'How many pictures have a preview?', () => counters.previewsMade)
  counter('chatd_blob_previews_failed_total', 'How many could not be decoded, or not in time?', () => counters.previewsFailed)
  labelled('chatd_blob_uploads_refused_total', 'Why are requests of uploads refused?', 'error', counters.uploadsRefused)
  labelled('chatd_blob_downloads_total', 'How are downloads answered?', 'status', counters.downloads)
  labelled('chatd_blob_store_errors_total', 'How does the blob store fail?', 'code', counters.blobStoreErrors)
  counter('chatd_descriptors_missed_total', 'How often was no file descriptor left? (looked at now and then; connections end unseen while it is so)', () => counters.descriptorsMissed)
  counter('chatd_reads_paused_total', 'How often is a client faster than it may be?', () => counters.throttled)
  return registry
}

/** prom-client's counters only count up by a step; ours know the sum. */
function setCounter(counter: Counter, value: number): void {
  counter.reset()
  counter.inc(value)
}

function setLabelled(counter: Counter, values: ReadonlyMap<string, number>, first: string, second: string): void {
  counter.reset()
  for (const [key, value] of values) {
    const [left = '', right = ''] = key.split('\n')
    counter.inc({ [first]: left, [second]: right }, value)
  }
}
