/** Who is looked at when watermarks rise: nobody who has something to be told is left out. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import { ConversationState } from '../shard/conversation-state.js'
import { Member } from '../shard/member.js'
import { UserState } from '../shard/user-state.js'
import { Awaiting, type Floors } from './awaiting.js'
import { Floor } from './floor.js'
import { Membership, Unsettled } from './group-state.js'

const MEMBERS = 5

interface One {
  readonly member: Member
  readonly user: UserState
  /** The same as its membership's, of which every seal looks at all. */
  readonly undelivered: Unsettled
  readonly unread: Unsettled
}

type Step = (group: Group) => void

class Group {
  readonly conversation = new ConversationState('#skiing', conversationKeys('#skiing'))
  readonly awaiting = new Awaiting()
  all: One[] = []

  constructor() {
    for (let i = 0; i < MEMBERS; i++) this.add(`user${String(i)}`, 0)
  }

  add(name: string, seq: number): void {
    const member = new Member(name)
    member.membership = new Membership('member', 0, seq, [])
    Object.assign(member, { delivered: seq, readTold: seq })
    this.conversation.addMember(member)
    this.all.push({ member, user: new UserState(name, userKeys(name)), undelivered: new Unsettled(seq), unread: new Unsettled(seq) })
  }

  at(place: number): One {
    return this.all[place % this.all.length]!
  }

  floors(): Floors {
    const floors = { delivered: new Floor(), read: new Floor(), silent: new Floor() }
    for (const { member, user } of this.all) {
      floors.delivered.add(member.place, member.delivered)
      const readers = user.readReceipts ? floors.read : floors.silent
      readers.add(member.place, member.readTold)
    }
    return floors
  }

  /** What each is told when all are looked at, and when those are who are said to be due. */
  seal(): { readonly naive: string[], readonly told: string[] } {
    const floors = this.floors()
    const limits = ({ member: { place }, user }: One): { delivered: number, read: number } => {
      const delivered = floors.delivered.without(place)
      return { delivered, read: user.readReceipts ? Math.min(floors.read.without(place), delivered) : 0 }
    }
    const naive = this.all.flatMap((one) => said(one.member, one.unread.settle(limits(one).read), one.undelivered.settle(limits(one).delivered)))
    const told: string[] = []
    for (const member of this.awaiting.due(floors, this.conversation.membersVersion)) {
      const { unread, undelivered } = member.membership!
      const { read, delivered } = limits(this.all[member.place]!)
      told.push(...said(member, unread.settle(read), undelivered.settle(delivered)))
      this.awaiting.note(member)
    }
    return { naive: naive.sort(), told: told.sort() }
  }
}

function said(member: Member, isRead: boolean, isDelivered: boolean): string[] {
  return isRead || isDelivered ? [`${member.user} ${String(isRead)} ${String(isDelivered)}`] : []
}

const place = fc.nat({ max: 100 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: place.map((at): Step => (group) => {
    const { member, undelivered, unread } = group.at(at)
    const seq = ++group.conversation.tail
    for (const own of [undelivered, unread, member.membership!.undelivered, member.membership!.unread]) own.add(seq)
    group.awaiting.add(member)
  }) },
  { weight: 6, arbitrary: fc.tuple(place, fc.boolean()).map(([at, isRead]): Step => (group) => {
    const { member, user } = group.at(at)
    member.delivered = group.conversation.tail
    if (isRead && user.readReceipts) member.readTold = member.delivered
  }) },
  { weight: 3, arbitrary: fc.boolean().map((isRead): Step => (group) => {
    for (const { member, user } of group.all) {
      member.delivered = group.conversation.tail
      if (isRead && user.readReceipts) member.readTold = member.delivered
    }
  }) },
  fc.tuple(place, fc.nat({ max: 5 })).map(([at, behind]): Step => (group) => {
    const { member } = group.at(at)
    member.delivered = Math.max(member.delivered, group.conversation.tail - behind)
  }),
  place.map((at): Step => (group) => {
    const { user } = group.at(at)
    user.readReceipts = !user.readReceipts
  }),
  place.map((at): Step => (group) => {
    if (group.all.length < 3) return
    const { member } = group.at(at)
    group.all = group.all.filter((one) => one.member !== member)
    group.conversation.removeMember(member)
    group.awaiting.drop(member)
  }),
  fc.constant<Step>((group) => { group.add(`late${String(group.conversation.membersVersion)}`, group.conversation.tail) }),
)

test('[GRP-14] whoever is told something when all are looked at is told it when those are who wait', () => {
  fc.assert(fc.property(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 60, size: 'max' }), (steps) => {
    const group = new Group()
    for (const [take, isSealed] of steps) {
      take(group)
      if (!isSealed) continue
      const { naive, told } = group.seal()
      assert.deepEqual(told, naive)
    }
  }), { numRuns: 2000 })
})

test('nobody is looked at who waits for readers while only watermarks of receivers rise', () => {
  const group = new Group()
  const { member } = group.at(0)
  group.conversation.tail = 1
  member.membership!.unread.add(1)
  group.awaiting.add(member)
  for (const one of group.all) one.member.delivered = 1
  group.seal()
  assert.deepEqual([...group.awaiting.due(group.floors(), group.conversation.membersVersion)], [])
})

test('who turns receipts on again is told what the others have read meanwhile, though their floor stands where it stood', () => {
  const group = new Group()
  const { member, user, undelivered, unread } = group.at(0)
  group.conversation.tail = 2
  for (const own of [undelivered, unread, member.membership!.undelivered, member.membership!.unread]) own.add(1)
  group.awaiting.add(member)
  for (const one of group.all) one.member.delivered = 2
  member.readTold = 2
  user.readReceipts = false
  for (const one of group.all.slice(1)) one.member.readTold = 1
  assert.deepEqual(group.seal().told, ['user0 false true'])
  user.readReceipts = true
  assert.deepEqual(group.seal(), { naive: ['user0 true false'], told: ['user0 true false'] })
})
