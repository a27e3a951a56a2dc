/** Which requests are for blobs, by their path alone: for whoever hands connections on without knowing more of them. */

export const UPLOADS_PATH = '/blobs/uploads'

/** Whether a request for this target, as it stands in the request line, is for blobs. */
export function isBlobTarget(target: string): boolean {
  return pathOf(target).startsWith('/blobs/')
}

/** Without what a proxy's form of the request line puts before it (RFC 9112, 3.2.2). */
export function pathOf(target: string): string {
  return target.replace(/^https?:\/\/[^/?#]*/i, '')
}
