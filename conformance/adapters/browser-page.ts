/**
 * The adapter of the reference client in a browser: it dials in at the address behind the `#` of its own, and has its storage in IndexedDB.
 * Where it is told to die the page is loaded anew: all that it had in memory is gone, its connections end, and it dials in again.
 */
import { browserPlatform } from '../../protocol/client/platform-browser.js'
import { indexedDbStorage } from '../../protocol/client/storage-indexeddb.js'
import { Application } from './application.js'
import type { Host, Request } from './application.js'
import { rightParts } from './parts.js'

// The parts of the browser that are used: the compiler knows Node's library only.
interface Browser {
  readonly location: { readonly hash: string; reload(): void }
  readonly localStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void; removeItem(key: string): void }
  readonly indexedDB: { deleteDatabase(name: string): { onsuccess: (() => void) | null; onerror: (() => void) | null; onblocked: (() => void) | null } }
  readonly WebSocket: new (url: string) => {
    onmessage: ((event: { readonly data: string }) => void) | null
    onclose: ((event: { readonly code: number }) => void) | null
    send(text: string): void
  }
}

const { location, localStorage, indexedDB, WebSocket } = globalThis as unknown as Browser

/** What was shown, line by line: written at once, so it is there when the client acknowledges. */
function linesOf(name: string): readonly string[] {
  const lines: string[] = []
  for (let line = localStorage.getItem(`${name} 0`); line !== null; line = localStorage.getItem(`${name} ${String(lines.length)}`)) lines.push(line)
  return lines
}

function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = request.onerror = request.onblocked = () => { resolve() }
  })
}

const host: Host = {
  name: 'chatd reference client, browser',
  features: ['websocket', 'browser'],
  platform: browserPlatform,
  open: (name) => {
    let count = linesOf(name).length
    return {
      storage: indexedDbStorage(name),
      lines: () => linesOf(name),
      append: (line) => { localStorage.setItem(`${name} ${String(count++)}`, line) },
      forget: () => {
        while (count > 0) localStorage.removeItem(`${name} ${String(--count)}`)
        return deleteDatabase(name)
      },
    }
  },
}

const application = new Application(host, rightParts)
const socket = new WebSocket(decodeURIComponent(location.hash.slice(1)))
socket.onmessage = ({ data }) => {
  const request = JSON.parse(data) as Request
  if (request.do === 'kill') location.reload()
  else void application.answer(request).then((answer) => { socket.send(JSON.stringify(answer)) })
}
// 1000: the run is over.
socket.onclose = ({ code }) => { if (code !== 1000) setTimeout(() => { location.reload() }, 200) }
