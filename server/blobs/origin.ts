/** Where clients reach blobs. */

/** `wss://chat.example:5381` → `https://chat.example:5381`: the first wss:// of these listeners, else the first ws://; null: there is none. */
export function originOf(listeners: readonly string[]): string | null {
  const web = listeners.find((url) => url.startsWith('wss://')) ?? listeners.find((url) => url.startsWith('ws://'))
  return web === undefined ? null : web.replace(/^ws/, 'http')
}
