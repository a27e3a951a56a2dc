/** Spans of time as people write them on a command line. */

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** What a refusal shows. */
export const SPAN_EXAMPLES = '30m, 12h, 7d or 2w'

/** `30m`, `12h`, `7d` or `2w` in milliseconds; null for anything else. */
export function parseSpan(text: string): number | null {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([mhdw])$/.exec(text) ?? []
  const unitMs = UNITS_MS[unit]
  return unitMs === undefined ? null : Number(count) * unitMs
}

/** The largest unit that it is a whole number of, as `15m` or `2d`; else in seconds. */
export function spanText(spanMs: number): string {
  const [unit, unitMs] = Object.entries(UNITS_MS).findLast(([, each]) => spanMs >= each && spanMs % each === 0) ?? ['s', 1000]
  return `${String(Math.round(spanMs / unitMs))}${unit}`
}
