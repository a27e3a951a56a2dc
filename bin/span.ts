/** Spans of time as people write them on a command line. */

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** What a refusal shows. */
export const SPAN_EXAMPLES = '30m, 12h, 7d or 2w'

/** `45s`, `30m`, `12h`, `7d` or `2w` in milliseconds; null for anything else. */
export function parseSpan(text: string): number | null {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([smhdw])$/.exec(text) ?? []
  const unitMs = UNITS_MS[unit]
  return unitMs === undefined ? null : Number(count) * unitMs
}

const NAMES: readonly (readonly [name: string, ms: number])[] = [['week', 604_800_000], ['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000]]

/** `7 days`, `1 hour`, `90 seconds`: in the largest unit that it is a whole number of, weeks from two on. */
export function spanText(ms: number): string {
  const [name, unitMs] = NAMES.find(([unit, each]) => ms % each === 0 && ms >= (unit === 'week' ? 2 * each : each)) ?? ['second', 1000]
  const count = ms / unitMs
  return `${Math.round(count * 10) / 10} ${name}${count === 1 ? '' : 's'}`
}
