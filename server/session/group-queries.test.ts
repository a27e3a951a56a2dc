import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element, type Element, elementSize } from '../../protocol/element.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import type { GroupDetails } from '../groups/group-commands.js'
import type { GroupCommands } from '../groups/group-commands.js'
import { answerGroupQuery } from './group-queries.js'
import { receiptsAnswer } from './query-answers.js'

const FRAME_BYTES_MAX = 16_384

function users(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${String(i)}`.padEnd(LIMIT.nameBytesMax, 'x'))
}

/** As large as a group can be, with names as long as they can be. */
function hugeGroup(members: number): GroupDetails {
  return {
    displayName: '⛷️'.repeat(50), about: '😀'.repeat(512), picture: 'p'.repeat(128), createdMs: 1_767_225_600_000, size: members, role: 'owner',
    inside: {
      tail: 1e9, policy: { post: 'all', add: 'all', edit: 'all', history: 'all' },
      members: users(members, 'member').map((user) => ({ user, role: 'member', sinceMs: 1_767_225_600_000 })),
      guests: users(LIMIT.groupGuestsMax, 'guest').map((user) => ({ user, kind: 'invited', by: 'y'.repeat(LIMIT.nameBytesMax) })),
      links: Array.from({ length: LIMIT.groupLinksMax }, (_, i) => ({
        code: `bm90IGEgcmVhbCBsaW5rI${String(i)}`, by: 'y'.repeat(LIMIT.nameBytesMax), createdMs: 1, expiresMs: 1_767_225_600_000, usesLeft: 1000, needsApproval: true,
      })),
    },
  }
}

function names(answer: Element, ...kinds: string[]): string[] {
  return answer.children.flatMap((child) => typeof child !== 'string' && kinds.includes(child.name) ? child.attributes.get('name') ?? '' : [])
}

/** All pages, of which each fits into a frame. */
async function pages(ask: (after: string | undefined) => Promise<Element>): Promise<Element[]> {
  const all: Element[] = []
  for (let after: string | undefined; ;) {
    const page: Element = await ask(after)
    assert.ok(elementSize(page) < FRAME_BYTES_MAX - 16, `${String(elementSize(page))} bytes`)
    all.push(page)
    if (page.attributes.get('more') === undefined) return all
    assert.equal(page.attributes.get('more'), 'true')
    after = names(page, 'member', 'invited').at(-1)
  }
}

test('[GRP-24] members and guests of a large group come in pages, in the order of their names, and its links once', async () => {
  for (const members of [2, 200, 10_000]) {
    const groups = { details: () => Promise.resolve(hugeGroup(members)) } as unknown as GroupCommands
    const all = await pages(async (after) => {
      const answer = await answerGroupQuery(groups, 'alice', element('group', { id: '#g', after }), FRAME_BYTES_MAX)
      assert.ok(answer !== null)
      return answer
    })
    const told = all.flatMap((page) => names(page, 'member', 'invited'))
    assert.equal(told.length, members + LIMIT.groupGuestsMax)
    assert.deepEqual(told, [...told].sort())
    assert.equal(new Set(told).size, told.length)
    assert.equal(all.flatMap(({ children }) => children.filter((child) => typeof child !== 'string' && child.name === 'link')).length, LIMIT.groupLinksMax)
  }
})

test('[GRP-24] watermarks by member come in pages', async () => {
  const members = users(1000, 'member').reverse().map((member) => ({ member, delivered: 1e9, read: 1e9 }))
  const all = await pages((after) => Promise.resolve(receiptsAnswer('#g', members, after ?? '', FRAME_BYTES_MAX)))
  const told = all.flatMap((page) => names(page, 'member'))
  assert.deepEqual(told, members.map(({ member }) => member).reverse().sort())
  assert.ok(all.length > 3)
})
