/** How a server that is one of several lets its clients go: one after the other, so that each goes on at once elsewhere, and not all in one moment. */
import { setTimeout as delay } from 'node:timers/promises'
import { ERROR } from '../../protocol/generated/registry.js'
import { type Connection, HOLD } from './connection.js'

const STEP_MS = 20

export interface Pace {
  /** Within which all are told, evenly. Milliseconds. */
  readonly withinMs: number
  /** After which whoever still waits for an answer is waited for no more. Milliseconds. */
  readonly giveUpMs: number
  readonly monotonicMs: () => number
}

/** From its turn on nothing more is read of a connection; it is closed when what it had handed in is answered. Resolves when all have been. */
export async function leaveInTurn(connections: readonly Connection[], { withinMs, giveUpMs, monotonicMs }: Pace): Promise<void> {
  const beganMs = monotonicMs()
  const finishing = new Set<Connection>()
  let turn = 0
  while (turn < connections.length || finishing.size > 0) {
    await delay(STEP_MS)
    const passedMs = monotonicMs() - beganMs
    const due = Math.min(connections.length, Math.ceil(connections.length * passedMs / Math.max(1, withinMs)))
    for (; turn < due; turn++) {
      const connection = connections[turn]!
      connection.hold(HOLD.control)
      finishing.add(connection)
    }
    for (const connection of finishing) {
      if (connection.isAlive && connection.session?.isWaiting === true) continue
      finishing.delete(connection)
      if (connection.isAlive) connection.close(ERROR.shuttingDown)
    }
    if (passedMs >= giveUpMs) return
  }
}
