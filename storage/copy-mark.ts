/** The mark of a store that is being filled from others. */
import { shardMetaKey } from './shard-keys.js'

/** A row that stands in it while it is incomplete; `openEngine` refuses a store that has it. */
export const COPY_MARK_NAME = 'copy-incomplete'
export const COPY_MARK = shardMetaKey(COPY_MARK_NAME)
