/** Whom a user shows what: the settings, and what follows from them for two users. Pure. */

/** `except`: everybody but those on the list. */
export type Audience = 'everybody' | 'contacts' | 'except' | 'nobody'

export const AUDIENCES: readonly Audience[] = ['everybody', 'contacts', 'except', 'nobody']

export interface Privacy {
  /** Who sees when the user was last seen. */
  readonly seen: Audience
  /** Who sees that the user is online. */
  readonly online: Audience
  /** Shared by both; normalised, rising, each once. */
  readonly except: readonly string[]
}

/** Shared by all who have not changed it, which is nearly everybody. */
export const DEFAULT_PRIVACY: Privacy = Object.freeze({ seen: 'everybody', online: 'everybody', except: Object.freeze([]) })

// What one user sees of another; a set of bits.
export const SEES_NOTHING = 0
export const SEES_ONLINE = 1
export const SEES_LAST_SEEN = 2
/** When a user who is online was seen before: for other shards alone, which have watchers who see no more than that. */
export const SEES_BEFORE = 4
export const SEES_ALL = SEES_ONLINE | SEES_LAST_SEEN

/** What the owner of these settings lets the viewer see. `isContact` is asked only where it matters. */
export async function shownTo(privacy: Privacy, viewer: string, isContact: () => boolean | Promise<boolean>): Promise<number> {
  const usesContacts = privacy.online === 'contacts' || privacy.seen === 'contacts'
  const isKnown = usesContacts && await isContact()
  return (admits(privacy.online, privacy, viewer, isKnown) ? SEES_ONLINE : SEES_NOTHING) |
    (admits(privacy.seen, privacy, viewer, isKnown) ? SEES_LAST_SEEN : SEES_NOTHING)
}

function admits(audience: Audience, privacy: Privacy, viewer: string, isContact: boolean): boolean {
  switch (audience) {
    case 'everybody': return true
    case 'contacts': return isContact
    case 'except': return !privacy.except.includes(viewer)
    case 'nobody': return false
  }
}

/** The list of exceptions in its normal form. */
export function normalExcept(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort()
}
