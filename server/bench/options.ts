/** What a scenario is, and what it is run with. */
import type { Figures } from './statistics.js'

export interface Options {
  /** Length of one measured stretch. */
  readonly seconds: number
  readonly runs: number
  /** Connections of the idle and phones scenarios, deliveries under way to each member of group and groups, shards of those that have several, messages of the others; 0: the scenario's own number. */
  readonly size: number
}

export interface Scenario {
  readonly title: string
  run(options: Options): Promise<Figures[]>
}
