/** What a message carries, with what its sender holds of it. */
import type { Attachment } from '../../protocol/attachments.js'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import type { HoldingState } from './states.js'

export interface Carried {
  readonly attachments: readonly Attachment[]
  /** The sender's, in the order of the attachments. */
  readonly holdings: readonly HoldingState[]
}

/** Why a message may not carry them; 0: it may. [BLB-12] */
export function refusalOfCarried({ attachments, holdings }: Carried): ErrorCode | 0 {
  for (const { row } of holdings) if (row === null) return ERROR.noSuchBlob
  const areTrue = attachments.every(({ key, type, size }, index) => {
    const row = holdings[index]?.row
    // What is inside an encrypted one its sender alone knows.
    return key.length > 0 || (row?.type === type && row.size === size)
  })
  return areTrue ? 0 : ERROR.badRequest
}
