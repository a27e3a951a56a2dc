/** What every storage has to do; each implementation runs it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { applyChanges, copyState, emptyState } from '../state.js'
import type { ClientState, ClientStorage, StorageChange } from '../state.js'

const seq = fc.nat({ max: 1000 })
const name = fc.constantFrom('bob', 'carol', '#team')
const bytes = fc.uint8Array({ maxLength: 5 })

const anyChange: fc.Arbitrary<StorageChange> = fc.oneof(
  fc.record({ kind: fc.constant('identity' as const), user: fc.constant('alice'), device: name }),
  fc.record({ kind: fc.constant('token' as const), token: fc.option(bytes) }),
  fc.record({ kind: fc.constant('cursor' as const), queueEpoch: seq, cursor: seq }),
  fc.record({ kind: fc.constant('outboxEpoch' as const), outboxEpoch: seq }),
  fc.record({ kind: fc.constant('limits' as const), unacknowledgedMax: seq }),
  fc.record({ kind: fc.constant('behind' as const), isBehind: fc.boolean() }),
  fc.record({
    kind: fc.constant('outboxPut' as const),
    record: fc.record({
      handle: fc.integer({ min: 1, max: 9 }), clientId: fc.integer({ min: 1, max: 99 }), kind: fc.constantFrom('message' as const, 'mark' as const),
      to: name, text: fc.string({ unit: 'grapheme' }), extensions: bytes, seq,
    }),
  }),
  fc.record({ kind: fc.constant('outboxRemove' as const), handle: fc.integer({ min: 1, max: 9 }) }),
  fc.record({
    kind: fc.constant('conversation' as const), conversation: name, tail: seq, shown: seq, own: fc.array(seq, { maxLength: 4 }),
    echoes: fc.array(seq, { maxLength: 2 }),
    doubt: fc.record({ tail: seq, accepted: fc.array(seq, { maxLength: 2 }) }),
  }, { requiredKeys: ['kind', 'conversation', 'tail', 'shown', 'own', 'echoes'] }),
  fc.record({ kind: fc.constant('watermark' as const), conversation: name, member: name, delivered: seq, read: seq }),
)

/** Batches as a client makes them. */
const anyBatches = fc.array(fc.array(anyChange, { minLength: 1, maxLength: 6 }), { maxLength: 8 })

/** Alike whatever order maps were filled in, and whatever class bytes have. */
export function comparable(state: ClientState): unknown {
  const sorted = <T>(map: ReadonlyMap<string | number, T>) => [...map].sort(([left], [right]) => (left < right ? -1 : 1))
  const plain = {
    ...state,
    token: state.token === null ? null : [...state.token],
    outbox: sorted(state.outbox).map(([handle, record]) => [handle, { ...record, extensions: [...record.extensions] }]),
    conversations: sorted(state.conversations).map(([key, known]) => [key, { ...known, members: sorted(known.members) }]),
  }
  return JSON.parse(JSON.stringify(plain))
}

/** `open` gives, for the same place, a storage that goes on where the one before was left. */
export function runStorageSuite(kind: string, makePlace: (t: TestContext) => Promise<() => ClientStorage>): void {
  test(`${kind}: gives back after a restart what was applied, whatever it was`, async (t) => {
    await fc.assert(fc.asyncProperty(anyBatches, async (batches) => {
      const open = await makePlace(t)
      const expected = emptyState()
      let storage = open()
      assert.deepEqual(comparable(await storage.load()), comparable(expected))
      for (const batch of batches) {
        await storage.apply(batch)
        applyChanges(expected, batch)
        await storage.close()
        storage = open()
        assert.deepEqual(comparable(await storage.load()), comparable(expected))
      }
      await storage.close()
    }), { numRuns: 15 })
  })

  test(`${kind}: what load gave does not change with later batches`, async (t) => {
    const storage = (await makePlace(t))()
    const state = await storage.load()
    const before = comparable(copyState(state))
    await storage.apply([{ kind: 'cursor', queueEpoch: 3, cursor: 4 }, { kind: 'watermark', conversation: 'bob', member: 'bob', delivered: 1, read: 1 }])
    assert.deepEqual(comparable(state), before)
    await storage.close()
  })
}
