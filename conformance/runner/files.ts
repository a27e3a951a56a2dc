/** Files of the scripted server, by HTTP: what a client downloads, the right bytes and others. */
import { createServer } from 'node:http'
import { listenAnywhere } from './listener.js'
import type { Listener } from './listener.js'

/** What is behind one URL. */
export interface ServedFile {
  readonly path: string
  readonly bytes: Uint8Array
  /** After so many bytes the connection ends, though more were said to come. */
  readonly cutAfter: number | null
}

/** Answers GET and HEAD of one path from pages of any origin, a Range too; all else is not there. */
export function serveFile({ path, bytes, cutAfter }: ServedFile, host: string): Promise<Listener> {
  const http = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-allow-headers', 'range, if-range')
    response.setHeader('access-control-expose-headers', 'content-range, etag')
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end()
      return
    }
    if (request.url !== path || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404).end()
      return
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const isRange = from > 0 && from < bytes.length
    const sent = isRange ? bytes.subarray(from) : bytes
    response.writeHead(isRange ? 206 : 200, {
      'content-length': sent.length, 'content-type': 'application/octet-stream', etag: '"it"', 'accept-ranges': 'bytes',
      ...isRange ? { 'content-range': `bytes ${String(from)}-${String(bytes.length - 1)}/${String(bytes.length)}` } : {},
    })
    if (request.method === 'HEAD') response.end()
    else if (cutAfter === null) response.end(sent)
    else response.write(sent.subarray(0, cutAfter), () => { response.socket?.end() })
  })
  return listenAnywhere(http, host, () => {
    http.close()
    http.closeAllConnections()
  })
}
