/** Bugs of several shards, to be planted in the nodes of a cluster. */
import { OPERATION } from '../../../../protocol/generated/registry.js'
import { encodeContents } from '../../../holdings/rows.js'
import type { Router } from '../../../router/router.js'
import type { Shard } from '../../../shard/shard.js'
import { confirmBeforeCommit, deleteBeforeConfirmed, writeCursorOutsideBatch } from '../../../testing/simulation/channel-plants.js'
import { OWNER } from '../../../testing/simulation/group-life.js'
import type { ClusterNodeOptions } from '../../node-options.js'

export interface ShardPlants {
  /** How far a channel was taken is written apart from the effects. */
  readonly cursorOutsideBatch?: boolean
  /** An entry is confirmed when it has taken effect in memory. */
  readonly confirmedBeforeCommit?: boolean
  /** An entry is deleted when it has been sent. */
  readonly deletedBeforeConfirmed?: boolean
  /** Entries go to other shards before they are in the changelog, so that these take some of an ownership that ends without them. */
  readonly offeredBeforeCommit?: boolean
  /** Who gives a shard away acknowledges what comes in meanwhile, and the next owner has not got it. */
  readonly movesEarly?: boolean
  /** A block, and a delete, is answered before other shards have it. */
  readonly answersEarly?: boolean
  /** Edits are done twice. */
  readonly editsTwice?: boolean
  /** Of a delete that comes from another shard only its own entry is kept: queues go on with the text. */
  readonly forgetsDeletes?: boolean
  /** The home of a blob knows only in memory which other shards hold it. */
  readonly forgetsHolders?: boolean
  /** The home of a blob takes a shard for a holder that has let it go. */
  readonly keepsDropped?: boolean
  /** What carried a blob and has ended lowers its count twice. */
  readonly releasesTwice?: boolean
  /** Who was not to hear of a message finds what it carries all the same. */
  readonly findsForAnybody?: boolean
}

export function plantShard(shard: Shard, plants: ShardPlants): void {
  if (plants.cursorOutsideBatch === true) writeCursorOutsideBatch(shard)
  if (plants.confirmedBeforeCommit === true) confirmBeforeCommit(shard)
  if (plants.deletedBeforeConfirmed === true) deleteBeforeConfirmed(shard)
  if (plants.offeredBeforeCommit === true) offerBeforeCommit(shard)
  if (plants.answersEarly === true && shard.channels !== null) shard.channels.allTaken = () => Promise.resolve()
  if (plants.editsTwice === true) editTwice(shard)
  if (plants.forgetsDeletes === true) forgetDeletes(shard)
  plantFiles(shard, plants)
}

function plantFiles(shard: Shard, { forgetsHolders, keepsDropped, releasesTwice }: ShardPlants): void {
  if (forgetsHolders === true) forgetHolders(shard)
  if (keepsDropped === true) shard.ledger.homes.drop = () => undefined
  if (releasesTwice === true) releaseTwice(shard)
}

function forgetHolders(shard: Shard): void {
  const { homes } = shard.ledger
  const hold = homes.hold.bind(homes)
  homes.hold = (home, holder, blob, loan) => {
    hold(home, holder, blob, loan)
    const { key, contents } = home.state
    shard.transaction.batch.put(key, encodeContents(contents.map((each) => ({ ...each, holders: each.holders.filter((other) => other !== holder) }))))
  }
}

function releaseTwice({ ledger }: Shard): void {
  const unrefer = ledger.unrefer.bind(ledger)
  ledger.unrefer = (held) => {
    unrefer(held)
    unrefer(held)
  }
}

function offerBeforeCommit(shard: Shard): void {
  const seal = shard.seal.bind(shard)
  shard.seal = (transaction, withLate) => {
    seal(transaction, withLate)
    const { federation } = shard.environment
    for (const [{ shard: to, sender }, rows] of transaction.channels.rows) {
      for (const row of rows) {
        federation?.peers.offer(to, row.last - row.count + 1, row.entries())
        sender.passedOn(row.last)
      }
    }
  }
}

/** In what a node asks of all shards. */
export function plantRouter({ blobs }: Router, { findsForAnybody }: ShardPlants): void {
  if (findsForAnybody !== true || blobs === null) return
  const find = blobs.find.bind(blobs)
  blobs.find = (user, place) => find(user, place).catch(() => find(OWNER, place))
}

/** In a node's part in a shard. */
export function plantNode(options: ClusterNodeOptions, { movesEarly }: ShardPlants): ClusterNodeOptions {
  if (movesEarly !== true) return options
  let isGiven = false
  return {
    ...options,
    onOwner: (engine, epoch) => {
      isGiven = false
      const commit = engine.commit.bind(engine)
      engine.commit = (batch) => isGiven ? Promise.resolve() : commit(batch)
      return options.onOwner(engine, epoch)
    },
    onLost: (reason) => {
      isGiven = reason === 'resigned'
      return options.onLost(reason)
    },
  }
}

function editTwice({ operations }: Shard): void {
  const operateNow = operations.operateNow.bind(operations)
  operations.operateNow = (route, feed, command, target) => {
    operateNow(route, feed, command, target)
    if (command.operation === OPERATION.edit) operateNow(route, feed, command, target)
  }
}

function forgetDeletes(shard: Shard): void {
  const seal = shard.seal.bind(shard)
  shard.seal = (transaction, withLate) => {
    const hasTaken = (transaction.channelWork?.applied.size ?? 0) > 0
    for (const { user } of hasTaken ? transaction.entries : []) {
      user.erasures = null
      transaction.batch.delete(user.keys.erasures())
    }
    seal(transaction, withLate)
  }
}
