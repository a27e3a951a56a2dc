/** Requests about reports as they go over the control socket. */
import type { Report } from '../profiles/service.js'

export type ReportControlRequest =
  | { readonly method: 'reports', readonly after: number, readonly limit: number }
  | { readonly method: 'readReport' | 'closeReport', readonly id: number }

/** A page of reports. Of one alone it holds that or nothing; where one was to be closed `more` says whether there was one. */
export interface ReportLines {
  readonly reports: readonly ReportLine[]
  readonly more: boolean
}

/** A report with its texts as such. */
export type ReportLine = Omit<Report, 'messages'> & {
  readonly messages: readonly { readonly seq: number, readonly from: string, readonly timeMs: number, readonly text: string }[]
}

export function isReportRequest(request: { readonly method: string }): request is ReportControlRequest {
  return request.method === 'reports' || request.method === 'readReport' || request.method === 'closeReport'
}

/** null: it is no such request. */
export function decodeReportRequest(value: Readonly<Record<string, unknown>>): ReportControlRequest | null {
  const { method, after, limit, id } = value
  if (method === 'reports' && isCount(after) && isCount(limit) && limit > 0) return { method, after, limit }
  if ((method === 'readReport' || method === 'closeReport') && isCount(id)) return { method, id }
  return null
}

export function toLine(report: Report): ReportLine {
  return { ...report, messages: report.messages.map(({ seq, from, timeMs, text }) => ({ seq, from, timeMs, text: Buffer.from(text).toString('utf8') })) }
}

export function fromLine(line: ReportLine): Report {
  return { ...line, messages: line.messages.map((message) => ({ ...message, text: Buffer.from(message.text) })) }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
