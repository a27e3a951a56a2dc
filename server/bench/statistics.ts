/** Percentiles and medians of measured values; null stands for a figure that the machine does not give. */

export type Figures = Readonly<Record<string, number | null>>

/** The value below which the share `p` (0 to 1) of the sorted values lies; NaN of none. */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? NaN
}

/** The middle value, the upper of two middle ones; null of none. */
export function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b)
  return known[known.length >> 1] ?? null
}

/** Of every figure the median over the runs. */
export function medians(runs: readonly Figures[]): Figures {
  return Object.fromEntries(Object.keys(runs[0] ?? {}).map((key) => [key, median(runs.map((run) => run[key] ?? null))]))
}

/** Smallest and largest value of a figure over the runs. */
export function spread(runs: readonly Figures[], key: string): { min: number, max: number } | null {
  const known = runs.map((run) => run[key] ?? null).filter((value) => value !== null)
  return known.length === 0 ? null : { min: Math.min(...known), max: Math.max(...known) }
}
