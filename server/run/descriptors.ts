/**
 * Whether this process has a file descriptor left. Out of them the system's connections end unseen: libuv closes what it can't take, and tells
 * nobody. What else fails then, a file of the store or a blob, says so in the log in its own words, which name the cause at best.
 */
import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { asError } from '../../protocol/as-error.js'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { Counters } from '../metrics/metrics.js'
import { RepeatedLines } from '../repeated-lines.js'

export class DescriptorWatch {
  readonly #lines: RepeatedLines
  readonly #counters: Pick<Counters, 'descriptorsMissed'>
  readonly #open: () => number

  /** @param open takes a descriptor, which is given back; throws where there is none */
  constructor(log: Pick<Log, 'warn' | 'error'>, clock: Pick<Clock, 'monotonicMs'>, counters: Pick<Counters, 'descriptorsMissed'>, open: () => number = openNothing) {
    this.#lines = new RepeatedLines(log, () => clock.monotonicMs())
    this.#counters = counters
    this.#open = open
  }

  /** To be called now and then; costs a few microseconds. */
  look(): void {
    try {
      closeSync(this.#open())
    } catch (thrown) {
      const error: NodeJS.ErrnoException = asError(thrown)
      // A chroot may have no such file.
      if (error.code !== 'EMFILE' && error.code !== 'ENFILE') return
      this.#counters.descriptorsMissed++
      this.#lines.error({ error }, 'no-descriptors')
    }
  }
}

function openNothing(): number {
  return openSync(devNull, 'r')
}
