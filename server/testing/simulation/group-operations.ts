/** What must be true of operations in a group, from its log alone: who may do what at its place, and what that leaves of a message. */
import { membersOf } from '../../../protocol/client/group-client.js'
import { OPERATION } from '../../../protocol/generated/registry.js'
import { Breach } from './breach.js'
import { GROUP, type GroupRecord, type Interval } from './group-oracle.js'
import type { OperationOracle, Outcome } from './operation-oracle.js'

/** `log` as one who reads all of it is shown it. [OPS-4, OPS-6, OPS-12] */
export function checkGroupOperations(log: readonly GroupRecord[], operations: OperationOracle): void {
  const admins = new Set<string>()
  const authors = new Map<number, string>()
  for (const { seq, from, change, operation } of log) {
    if (change !== null) {
      if (change.name === 'create') admins.add(from)
      const isAdmin = change.name === 'role' && change.attributes.get('role') === 'admin'
      for (const user of change.name === 'role' || change.name === 'remove' ? membersOf(change) : []) {
        if (isAdmin) admins.add(user)
        else admins.delete(user)
      }
      if (change.name === 'leave') admins.delete(from)
    } else if (operation === null) authors.set(seq, from)
    else {
      const author = authors.get(operation.target)
      if (author === undefined) throw new Breach(`${GROUP} ${String(seq)} is done to ${String(operation.target)}, which is no message`)
      const isForeign = author !== from && operation.kind !== OPERATION.react
      if (isForeign && (operation.kind === OPERATION.edit || !admins.has(from))) throw new Breach(`${from} could change ${GROUP} ${String(operation.target)} of ${author}`)
    }
  }
  for (const record of log) if (isMessage(record) && !isExpired(record, operations)) checkShown(record, operations.outcome(GROUP, record.seq), 'the log')
}

/** The same messages as one is shown them who may read these intervals alone. [OPS-13] */
export function checkGroupReader(user: string, page: readonly GroupRecord[], intervals: readonly Interval[], operations: OperationOracle): void {
  const mayRead = (seq: number): boolean => intervals.some(({ from, to }) => seq >= from && seq <= to)
  for (const record of page) {
    if (!isMessage(record) || isExpired(record, operations)) continue
    // Of reactions in force those that it may read; of edits the last one that it may.
    const { isDeleted, edit, reactions } = operations.outcome(GROUP, record.seq, mayRead)
    const seen = new Map([...reactions].filter(([, { seq }]) => mayRead(seq)))
    checkShown(record, { isDeleted, edit, reactions: seen }, user)
  }
}

function isMessage({ change, operation }: GroupRecord): boolean {
  return change === null && operation === null
}

/** Of what may be gone nothing is left to look at; whether it is has been looked at elsewhere. */
function isExpired({ seq, text }: GroupRecord, operations: OperationOracle): boolean {
  return text === '' && operations.hasExpiredBy(GROUP, seq, Infinity)
}

function checkShown({ seq, text, present }: GroupRecord, { isDeleted, edit, reactions }: Outcome, reader: string): void {
  const what = `${reader} shows ${GROUP} ${String(seq)} as '${text}'`
  if (isDeleted !== (text === '')) throw new Breach(`${what}, and it was ${isDeleted ? '' : 'not '}deleted`)
  if (isDeleted) return
  if ((edit === null) !== ((present?.editedMs ?? 0) === 0) || (edit !== null && edit.text !== '' && edit.text !== text)) throw new Breach(`${what}, and it was edited to '${edit?.text ?? ''}'`)
  const given = new Map((present?.reactions ?? []).flatMap(({ emoji, users }) => users.map((each) => [each, emoji])))
  if (given.size !== reactions.size || [...reactions].some(([from, { emoji }]) => given.get(from) !== emoji)) {
    throw new Breach(`${what} with the reactions ${JSON.stringify([...given])} in place of ${JSON.stringify([...reactions])}`)
  }
}
