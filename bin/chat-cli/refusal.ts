/** Why the server did not do what was asked, in words for the person who asked: the registry's sentences are for who writes a client. Pure. */
import { isGroup } from '../../protocol/address.js'
import { ClientError } from '../../protocol/client/client-error.js'
import { safeText } from './safe-text.js'

/**
 * Of any error; one that isn't the server's is said as it is. Safe for a terminal.
 * @param about the conversation or the user that was named, '' for none
 */
export function refusalText(error: unknown, about = ''): string {
  const known = error instanceof ClientError ? sentenceOf(error, about) : ''
  return safeText(known !== '' ? known : error instanceof Error ? error.message : String(error))
}

/** The same of what was to be done to one message. */
export function operationRefusal(error: unknown, operation: 'edit' | 'delete' | 'react' | 'reply', about: string): string {
  if (error instanceof ClientError && error.symbol === 'not-allowed') {
    if (operation === 'edit') return 'only who wrote a message may edit it'
    if (operation === 'delete') return 'only who wrote a message may delete it for all, and in a group its admins'
  }
  return refusalText(error, about)
}

/** '': the registry's sentence says it well. */
function sentenceOf({ symbol, reason }: ClientError, about: string): string {
  const isAboutUser = about !== '' && !isGroup(about)
  switch (symbol) {
    case 'no-such-conversation':
      if (about === '') return 'there is no such conversation, or you are not in it'
      return isAboutUser ? `there is no conversation with ${about}` : `you are not in ${about}, or there is no such group`
    case 'no-such-user': return isAboutUser ? `there is no user ${about}` : 'there is no such user'
    case 'no-such-message': return 'there is no such message, or you may not read it'
    case 'no-such-device': return 'you have no such device: `chat devices` lists them'
    case 'no-such-invite': return 'you have no such invite: `chat invite list` lists them'
    case 'not-allowed': return isAboutUser || about === '' ? 'you may not do that' : `your role in ${about} does not allow that: ask an admin or the owner`
    case 'contact-blocked': return `you have blocked ${isAboutUser ? about : 'that user'}: unblock first`
    case 'message-deleted': return 'the message was deleted'
    case 'invalid-reaction': return 'a reaction is one emoji'
    case 'empty-message': return 'there is no text'
    case 'text-too-long': return 'the text is longer than the server allows'
    case 'malformed-text': return 'the text holds a character that is not allowed'
    case 'no-invites': return 'this server lets no users make invites: ask its operator'
    case 'too-many-invites': return 'you have given out as many invites as you may for now: they count until they expire'
    case 'no-search': return 'this server searches no messages'
    case 'malformed-address': return about === '' ? reason : isGroup(about) ? `${about} is a group, and a user is asked for` : `'${about}' is no name of a user or a group`
    // What is wrong with it is in the reason alone.
    case 'bad-request': return reason
    default: return ''
  }
}
