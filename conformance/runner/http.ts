/** Requests of HTTP, as they are asked for: nothing is followed, nothing is tried again. */
import { request as plainRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { Target } from './dial.js'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** What is no UTF-8 as `hex:00ff`. */
  readonly text: string
}

export interface HttpRequest {
  /** Whose host a URL without one means, and whose certificate is trusted. */
  readonly target: Target
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** Text, or bytes as `hex:00ff`. */
  readonly body: string
  readonly timeoutMs: number
}

/** Status 0: there was no answer. */
export function request({ target, url, method, headers, body, timeoutMs }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    const place = new URL(url)
    const isTls = place.protocol === 'https:'
    // A URL whose host is unspecified means the host that the client is connected to.
    const isUnspecified = place.hostname === '0.0.0.0' || place.hostname === '[::]'
    const sent = (isTls ? tlsRequest : plainRequest)({
      host: isUnspecified ? target.host : place.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: place.port, path: `${place.pathname}${place.search}`, method, headers, agent: false,
      ...(target.ca === '' ? {} : { ca: target.ca }), timeout: timeoutMs,
    }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => { pieces.push(piece) })
      const over = (): void => {
        const bytes = Buffer.concat(pieces)
        const text = bytes.toString('utf8')
        resolve({ status: answer.statusCode ?? 0, headers: flat(answer.headers), text: Buffer.from(text).equals(bytes) ? text : `hex:${bytes.toString('hex')}` })
      }
      answer.on('end', over)
      answer.on('error', over)
    })
    sent.on('timeout', () => { sent.destroy() })
    sent.on('error', (error) => { resolve({ status: 0, headers: {}, text: error.message }) })
    sent.end(body.startsWith('hex:') ? Buffer.from(body.slice(4), 'hex') : body)
  })
}

function flat(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value ?? '']))
}
