/** What a message carries, with what its sender holds of it. */
import { type Attachment, hasAttachments, readAttachments } from '../../protocol/attachments.js'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import type { Hold } from '../shard/holds.js'
import type { Shard } from '../shard/shard.js'
import type { LogRecord } from '../shard/log-run.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { UserState } from '../shard/user-state.js'
import { Held } from './held.js'
import type { BlobLedger, Claim } from './ledger.js'
import { type HeldFacts, keepsBlob } from './rows.js'
import { holdingName, type HoldingState } from './states.js'

/** One of the attachments, as the sender holds it. */
export interface CarriedPart {
  readonly holding: HoldingState
  /** null: it does not. */
  readonly facts: HeldFacts | null
  /** Of several shards: how this one gets it. null: there is one. */
  readonly claim: Claim | null
}

export interface Carried {
  readonly attachments: readonly Attachment[]
  /** In their order. */
  readonly parts: readonly CarriedPart[]
}

/** Looks it up, and keeps it in memory as long as `hold` lasts. Rejects with RouterError where another shard has to be asked, and can't be. [BLB-12] */
export async function carriedBy(shard: Shard, hold: Hold, user: UserState, extensions: Uint8Array): Promise<Carried> {
  const attachments = readAttachments(extensions) ?? []
  const ids = attachments.map(({ id }) => id)
  if (shard.channels !== null) {
    const claims = await new Held(shard, hold).claims(user.name, ids)
    return { attachments, parts: claims.map((claim) => ({ holding: claim.holding, facts: claim.facts, claim })) }
  }
  const { holdings } = shard.blobStates
  const held = await Promise.all(ids.map((id) => hold.state(holdings, holdingName(user.name, id))))
  return { attachments, parts: held.map((holding) => ({ holding, facts: holding.row, claim: null })) }
}

/** false: what was found has changed while it was looked for; it has to be looked for again. */
export function isStillTrue({ ledger }: Shard, { parts }: Carried): boolean {
  return parts.every(({ facts, claim, holding }) =>
    facts === null || claim === null || keepsBlob(holding.row) || claim.blob.row !== null || ledger.offered(claim) !== null)
}

/** Why a message may not carry them; 0: it may. [BLB-12] */
export function refusalOfCarried({ attachments, parts }: Carried): ErrorCode | 0 {
  for (const { facts } of parts) if (facts === null) return ERROR.noSuchBlob
  const areTrue = attachments.every(({ key, type, size }, index) => {
    const facts = parts[index]?.facts
    // What is inside an encrypted one its sender alone knows.
    return key.length > 0 || (facts?.type === type && facts.size === size)
  })
  return areTrue ? 0 : ERROR.badRequest
}

/** The message is over, in the open transaction: what it carried is released. [BLB-13] */
export function releaseCarried({ ledger }: { readonly ledger: BlobLedger }, { name }: ConversationState, { seq, extensions }: LogRecord): void {
  if (extensions.length > 0 && hasAttachments(extensions)) ledger.release(name, 'messages', seq, seq)
}
