import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { systemLinkEnvironment, newLinkCounters } from '../link/link-environment.js'
import { LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import { LinkError } from '../link/open-link.js'
import { SILENT_LOG } from '../log.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { GivingRoute } from './giving-route.js'

test('a node of an earlier version is known as one until it takes what it is given, or the shard is elsewhere', async (t) => {
  let reason: LinkClose = LINK_CLOSE.unsupportedVersion
  let dials = 0
  const again: (() => void)[] = []
  const environment = {
    ...systemLinkEnvironment({ log: SILENT_LOG, clock: SYSTEM_CLOCK, counters: newLinkCounters() }),
    scheduler: { defer: (task: () => void) => { setImmediate(task) }, after: (_: number, task: () => void) => { again.push(task) } },
  }
  const route = new GivingRoute({
    shard: 1, environment, random: () => 0,
    open: () => {
      dials++
      return Promise.reject(new LinkError(reason))
    },
  })
  t.after(() => { route.stop() })
  const dialAgain = async (): Promise<void> => {
    again.shift()?.()
    await turn()
  }
  assert.equal(route.isOutdated, false)
  route.start()
  await turn()
  assert.equal(route.isOutdated, true)
  // It is upgraded at this moment, perhaps.
  reason = LINK_CLOSE.unreachable
  await dialAgain()
  assert.deepEqual([dials, route.isOutdated], [2, true])
  route.moved(() => true)
  assert.equal(route.isOutdated, false)
  route.stop()
})
