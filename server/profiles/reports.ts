/** Reports that wait for the operator, in the shard's own rows. Edits have to come one after the other. [PRF-17] */
import type { Batch, Engine } from '../../storage/engine.js'
import { StorageError } from '../../storage/engine.js'
import { reportIdAt, reportKey, reports, shardMetaKey } from '../../storage/shard-keys.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import type { Report } from './service.js'

export const REPORTS_META_NAME = 'reports'
const META = shardMetaKey(REPORTS_META_NAME)
const VERSION = 1
const writer = new ValueWriter()

export interface ReportsMeta {
  /** Never given twice. */
  readonly lastId: number
  /** Reports that wait. */
  readonly waiting: number
}

/** The number by which the operator of several shards knows a report: each shard numbers those of its users. With one they are the same. */
export function commonReportId(shards: number, shard: number, id: number): number {
  return id * shards + shard
}

/** Whose it is, and its number there. */
export function reportPlace(shards: number, id: number): { readonly shard: number, readonly id: number } {
  return { shard: id % shards, id: Math.floor(id / shards) }
}

export async function readReportsMeta(engine: Engine): Promise<ReportsMeta> {
  const row = await engine.get(META)
  if (row === undefined) return { lastId: 0, waiting: 0 }
  const reader = open(row)
  return { lastId: reader.uint(), waiting: reader.uint() }
}

export function putReport(batch: Batch, meta: ReportsMeta, report: Omit<Report, 'id'>): void {
  const id = meta.lastId + 1
  const row = writer.begin().uint(VERSION).time(report.timeMs).string(report.reporter).string(report.conversation).string(report.reason)
    .uint(report.messages.length)
  for (const { seq, from, timeMs, text } of report.messages) row.uint(seq).string(from).time(timeMs).bytes(text)
  batch.put(reportKey(id), row.take())
  putReportsMeta(batch, { lastId: id, waiting: meta.waiting + 1 })
}

export function deleteReport(batch: Batch, meta: ReportsMeta, id: number): void {
  batch.delete(reportKey(id))
  putReportsMeta(batch, { lastId: meta.lastId, waiting: Math.max(0, meta.waiting - 1) })
}

export async function readReport(engine: Engine, id: number): Promise<Report | null> {
  const row = await engine.get(reportKey(id))
  return row === undefined ? null : decodeReport(id, row)
}

export async function reportsPage(engine: Engine, after: number, limit: number): Promise<{ reports: Report[]; more: boolean }> {
  const rows = await engine.range({ ...reports(after), limit: limit + 1 })
  const page = rows.slice(0, limit).map(([key, row]) => decodeReport(reportIdAt(key), row))
  return { reports: page, more: rows.length > limit }
}

/** Who reported, from the row alone. */
export function reporterOf(row: Uint8Array): string {
  const reader = open(row)
  reader.time()
  return reader.string()
}

export function putReportsMeta(batch: Batch, { lastId, waiting }: ReportsMeta): void {
  batch.put(META, writer.begin().uint(VERSION).uint(lastId).uint(waiting).take())
}

function decodeReport(id: number, row: Uint8Array): Report {
  const reader = open(row)
  const report = { id, timeMs: reader.time(), reporter: reader.string(), conversation: reader.string(), reason: reader.string() }
  const messages: Report['messages'][number][] = []
  for (let count = reader.uint(); count > 0; count--) {
    messages.push({ seq: reader.uint(), from: reader.string(), timeMs: reader.time(), text: Buffer.from(reader.bytes()) })
  }
  return { ...report, messages }
}

function open(row: Uint8Array): ValueReader {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION) throw new StorageError('corrupt', `a report has the unknown version ${String(version)}`)
  return reader
}
