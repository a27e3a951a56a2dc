/** What has waited in `LateWrites` goes into a transaction: cursors, and the watermarks that follow from them. */
import { writeLateWatermarks } from '../groups/watermarks.js'
import { encodeLastSeen } from '../presence/rows.js'
import { encodeCursor } from './records.js'
import type { Transaction } from './transaction.js'

export function sealLate(transaction: Transaction): void {
  const { late } = transaction
  for (const conversation of late.watermarks) writeLateWatermarks(transaction, conversation)
  for (const user of late.seen) {
    transaction.keep(user)
    transaction.batch.put(user.keys.lastSeen(), encodeLastSeen(user.lastSeenMs))
  }
  for (const [device, user] of late.cursors) {
    transaction.keep(user)
    user.trimmedTo = user.goneTo
    transaction.batch.put(user.keys.cursor(device.number), encodeCursor(device, user.trimmedTo))
  }
  late.release()
}
