import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SlowestMembers } from './slowest-members.js'

test('[GRP-14] whenever the lowest or the second-lowest watermark of a group moves, all members are looked at', () => {
  const rise = fc.record({ member: fc.nat(5), by: fc.integer({ min: 1, max: 3 }), joins: fc.boolean() })
  fc.assert(fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }), fc.array(rise, { maxLength: 40 }), (start, rises) => {
    const watermarks = [...start]
    const slowest = new SlowestMembers()
    let version = 0
    const two = (): number[] => [...watermarks].sort((a, b) => a - b).slice(0, 2)
    const look = (): void => {
      const second = two()[1] ?? Infinity
      slowest.note(second, watermarks.filter((watermark) => watermark <= second).length, version)
    }
    look()
    for (const { member, by, joins } of rises) {
      const at = member % watermarks.length
      if (joins) {
        version++
        watermarks.push(0)
      }
      const before = two()
      const from = watermarks[at]!
      watermarks[at] = from + by
      if (slowest.mayMove(from, from + by, version)) look()
      else assert.deepEqual(two(), before)
    }
  }), { numRuns: 2000 })
})

test('fifty members who acknowledge one message are looked at once, when the last but one has it', () => {
  const slowest = new SlowestMembers()
  slowest.note(0, 50, 1)
  const looks = Array.from({ length: 50 }, () => slowest.mayMove(0, 1, 1))
  assert.equal(looks.indexOf(true), 48)
})
