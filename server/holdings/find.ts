/** Where a user may find a blob: among its own, in a message that it may read, in a picture that it is shown. [BLB-2] */
import { readAttachments } from '../../protocol/attachments.js'
import { isExpired, expiryOf } from '../../protocol/expiry.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { KEPT_LIST, userKeys } from '../../storage/user-keys.js'
import type { Blob, BlobPlace } from '../blobs/blob-router.js'
import { mayReadSeq, mustRead } from '../groups/access.js'
import { isListed } from '../profiles/kept-list.js'
import { readStoredProfile } from '../profiles/profile.js'
import { RouterError } from '../router/router.js'
import { readMessage } from '../shard/log-reader.js'
import { isErased } from '../shard/log-run.js'
import type { Shard } from '../shard/shard.js'
import { conversationName } from '../shard/conversation-name.js'
import { type Held, noSuchBlob } from './held.js'
import { homeBlob } from './elsewhere.js'
import { holdingName } from './states.js'

/** Rejects with RouterError: no-such-blob, and what reading the place is refused with. */
export async function findBlob(shard: Shard, held: Held, user: string, place: BlobPlace): Promise<Blob> {
  const blob = await held.state(shard.blobStates.blobs, await idAt(shard, held, user, place))
  if (blob.row === null) return atHome(shard, blob.name)
  const found = blob.row.blob
  // It may be told of only when it is on disk.
  if (!shard.isSettledButForLate(blob)) await shard.committed()
  return found
}

/** What the user holds for messages in other shards alone this one knows nothing of. */
async function atHome(shard: Shard, id: string): Promise<Blob> {
  const { channels } = shard
  const to = channels?.to(id) ?? null
  const blob = channels === null ? null : to === null ? await homeBlob(shard, id) : await channels.ask(to.shard, 'homeBlob', id)
  if (blob === null) throw noSuchBlob()
  return blob
}

async function idAt(shard: Shard, held: Held, user: string, place: BlobPlace): Promise<string> {
  switch (place.kind) {
    case 'own': {
      const holding = await held.state(shard.blobStates.holdings, holdingName(user, place.id))
      if (holding.row === null) throw noSuchBlob()
      if (!shard.isSettledButForLate(holding)) await shard.committed()
      return place.id
    }
    case 'message': return carriedBlob(shard, user, place.conversation, place.seq, place.id)
    case 'profile': return profilePicture(shard, user, place.user)
    case 'group': return groupPicture(shard, user, place.group)
  }
}

/** The id, where the message carries it and the user may read it now: as history would show it. [BLB-16] */
export async function carriedBlob(shard: Shard, user: string, address: string, seq: number, id: string): Promise<string> {
  const conversation = await shard.conversation(conversationName(user, address))
  mustRead(conversation, user)
  const record = mayReadSeq(conversation, user, seq) ? await shard.reading(readMessage(shard.engine, conversation, seq)) : null
  if (record === null || record.change !== null || record.operation !== null || isErased(record) || isExpired(expiryOf(record.extensions), shard.nowMs)) {
    throw new RouterError(ERROR.noSuchMessage, 'there is no such message')
  }
  if (readAttachments(record.extensions)?.some((attachment) => attachment.id === id) !== true) throw noSuchBlob('the message carries no such blob')
  return id
}

/** [BLB-17] */
async function profilePicture(shard: Shard, viewer: string, owner: string): Promise<string> {
  if (!(await shard.user(owner)).exists) throw new RouterError(ERROR.noSuchUser, `there is no user '${owner}'`)
  const [stored, isBlocked] = await shard.reading(Promise.all([
    readStoredProfile(shard.engine, userKeys(owner)), isListed(shard.engine, userKeys(owner), KEPT_LIST.blocked, viewer),
  ]))
  // COMPAT: what older servers took for a picture is none.
  if (isBlocked || !stored.isPictureHeld) throw noSuchBlob('the profile shows no picture')
  return stored.profile.picture
}

/** [BLB-17] */
async function groupPicture(shard: Shard, user: string, name: string): Promise<string> {
  const conversation = await shard.conversation(name)
  const { group } = conversation
  if (group === null || (conversation.member(user) === undefined && group.guests.get(user)?.kind !== 'invited')) {
    throw new RouterError(ERROR.noSuchConversation, 'there is no such group')
  }
  const { picture, pictureSeq } = group
  if (pictureSeq === 0) throw noSuchBlob('the group has no picture')
  if (!shard.isSettledButForLate(conversation)) await shard.committed()
  return picture
}
