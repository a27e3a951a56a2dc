/** What presence has to know of two users beside their settings: who is whose contact, and who has blocked whom. */

export interface Relations {
  /** Whether `owner` has `other` among the contacts. Neither need exist. */
  isContact(owner: string, other: string): boolean | Promise<boolean>
  /** Whether `owner` has blocked `other`. */
  isBlocked(owner: string, other: string): boolean | Promise<boolean>
}
