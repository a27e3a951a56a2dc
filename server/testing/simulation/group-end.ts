/** What each member must find of the group when all has come to rest, in its history, on its devices and in its list. */
import { expiryOf } from '../../../protocol/expiry.js'
import { Breach } from './breach.js'
import { OPERATION_KINDS, type SimDevice } from './device.js'
import { checkGroupOperations, checkGroupReader } from './group-operations.js'
import { GROUP, type GroupRecord, membershipsOf } from './group-oracle.js'
import type { EndScene } from './scene.js'

export class GroupEnd {
  readonly #scene: EndScene

  constructor(scene: EndScene) {
    this.#scene = scene
  }

  async check(log: readonly GroupRecord[]): Promise<void> {
    this.#scene.oracle.group.check(log)
    this.#learn(log)
    checkGroupOperations(log, this.#scene.oracle.operations)
    this.#scene.oracle.expiry.checkTimers(GROUP, log.map(({ change, operation, ...record }) => ({ ...record, isMessage: change === null && operation === null })))
    for (const user of this.#scene.users) await this.#checkMembership(user, log)
  }

  /** What a device has asked for, and lost with its memory before it heard of it, nobody else may know of yet. */
  #learn(log: readonly GroupRecord[]): void {
    const forgetful = new Set(this.#scene.devices.filter(({ wasReinstalled }) => wasReinstalled).map(({ user }) => user))
    for (const { seq, from, operation, text } of log) {
      const kind = operation === null ? undefined : OPERATION_KINDS.get(operation.kind)
      if (operation === null || kind === undefined || !forgetful.has(from)) continue
      this.#scene.oracle.operations.happened({ conversation: GROUP, from, target: operation.target, kind, text }, seq)
    }
  }

  /** As this user may read it, forwards. */
  async log(user: string): Promise<GroupRecord[]> {
    const log: GroupRecord[] = []
    for (let more = true; more;) {
      const asked = this.#scene.server.router.history(user, GROUP, { after: log.at(-1)?.seq ?? 0, limit: 100 })
      const page = await this.#scene.finish(asked)
      for (const { seq, extensions } of page.messages) this.#scene.oracle.expiry.told(GROUP, seq, expiryOf(extensions))
      log.push(...page.messages.map(({ text, ...message }) => ({ ...message, text: Buffer.from(text).toString() })))
      more = page.more
    }
    return log
  }

  /** The user, and each of its devices, has what lies in its memberships and nothing else. [GRP-9, GRP-11, GRP-13] */
  async #checkMembership(user: string, log: readonly GroupRecord[]): Promise<void> {
    const intervals = membershipsOf(log).get(user) ?? []
    const isOwed = ({ seq }: GroupRecord): boolean => intervals.some(({ from, to }) => seq >= from && seq <= to)
    const owed = log.filter(isOwed).map(({ seq }) => seq)
    const page = intervals.length === 0 ? [] : await this.log(user)
    const read = page.map(({ seq }) => seq)
    checkGroupReader(user, page, intervals, this.#scene.oracle.operations)
    if (String(read) !== String(owed)) throw new Breach(`${user} reads ${String(read)} of ${GROUP}, and was a member for ${String(owed)}`)
    for (const device of this.#scene.devices.filter((each) => each.user === user && !each.wasReinstalled)) {
      const received = device.received.get(GROUP) ?? []
      const stranger = received.find((seq) => !owed.includes(seq))
      if (stranger !== undefined) throw new Breach(`${user}/${device.id} got ${GROUP} ${String(stranger)} and was no member`)
      this.#checkReceived(device, log.filter(isOwed), received)
    }
  }

  #checkReceived(device: SimDevice, owed: readonly GroupRecord[], received: readonly number[]): void {
    const joined = membershipsOf(owed).get(device.user)
    const hasSiblings = this.#scene.devices.filter((each) => each.user === device.user).length > 1
    for (const { seq, from, change, operation } of owed) {
      const text = this.#scene.oracle.operations.textOf(GROUP, seq) ?? ''
      const isOwn = change === null && from === device.user && (!hasSiblings || operation !== null || text === '' || text.startsWith(`${device.user}/${device.id} `))
      // What was there before it came it has from the history alone.
      if (isOwn || received.includes(seq) || joined === undefined || !wasMember(owed, device.user, seq)) continue
      throw new Breach(`${device.user}/${device.id} never got ${GROUP} ${String(seq)}`)
    }
  }

  /** [GRP-21] */
  checkSummary(user: string, { read, unread }: { read: number; unread: number }, log: readonly GroupRecord[]): void {
    if (membershipsOf(log).get(user)?.at(-1)?.to !== Infinity) return
    const isUnread = ({ seq, from, change, operation, text }: GroupRecord): boolean =>
      change === null && operation === null && text !== '' && seq > read && from !== user
    const counted = log.filter(isUnread).length
    const isWhole = this.#scene.devices.every((device) => !device.wasReinstalled)
    if (isWhole && counted !== unread) throw new Breach(`${user} in ${GROUP}: ${String(unread)} unread, counted ${String(counted)}`)
  }
}

/** Whether it was a member when this place of the log was taken, and so was told at once. */
function wasMember(log: readonly GroupRecord[], user: string, seq: number): boolean {
  const intervals = membershipsOf(log.map((record) => ({ ...record, change: withoutHistory(record.change) }))).get(user) ?? []
  return intervals.some(({ from, to }) => seq >= from && seq <= to)
}

function withoutHistory(change: GroupRecord['change']): GroupRecord['change'] {
  return change === null ? null : { ...change, attributes: new Map([...change.attributes].filter(([name]) => name !== 'history')) }
}
