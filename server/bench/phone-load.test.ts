import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../testing/seeded-random.js'
import { highestLevel, RandomTimes } from './phone-load.js'

test('the same seed gives the same times, another one others, and as many as the rate says', () => {
  const times = (seed: number): number[] => {
    const process = new RandomTimes(100, 0, seeded(seed))
    const found: number[] = []
    // Looked for in steps of a millisecond and of a second alike.
    for (const nowMs of [1, 2, 3, 1000, 100_000]) for (let due = process.due(nowMs); due !== null; due = process.due(nowMs)) found.push(due)
    return found
  }
  const first = times(1)
  assert.deepEqual(times(1), first)
  assert.notDeepEqual(times(2), first)
  assert.deepEqual([...first].sort((one, other) => one - other), first)
  assert.ok(first.every((time) => time > 0 && time <= 100_000))
  // 10,000 are expected; a hundred is one standard deviation.
  assert.ok(Math.abs(first.length - 10_000) < 500, String(first.length))
})

test('random numbers fill the range from 0 up to 1 evenly', () => {
  const random = seeded(7)
  const counts = new Array<number>(10).fill(0)
  for (let n = 0; n < 10_000; n++) counts[Math.floor(random() * 10)]!++
  assert.ok(counts.every((count) => count > 850 && count < 1150), String(counts))
})

test('the search doubles, then halves, and ends after the tries that it has', async () => {
  const bounds = { first: 8, max: 1024, refinements: 3 }
  const search = async (limit: number): Promise<{ level: number, tried: number[] }> => {
    const tried: number[] = []
    const level = await highestLevel(bounds, (each) => {
      tried.push(each)
      return Promise.resolve(each <= limit)
    })
    return { level, tried }
  }
  assert.deepEqual(await search(100), { level: 96, tried: [8, 16, 32, 64, 128, 96, 112, 104] })
  assert.deepEqual(await search(7), { level: 0, tried: [8] })
  assert.equal((await search(5000)).level, 1024)
})
