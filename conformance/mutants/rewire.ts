/** Where most bugs are planted: between the reference client and its transport, where frames can be changed, held back and made up. */
import { WireFault, decodeBody } from '../runner/decode.js'
import type { WireFrame } from '../runner/decode.js'
import { encodeFrame } from '../runner/frame-xml.js'
import type { Platform } from '../../protocol/client/driver.js'

export interface Wiring {
  /** What the client reads in the place of a frame of the server. */
  readonly incoming?: (frame: WireFrame) => readonly WireFrame[]
  /** The same for a frame of a type that nobody knows: what the client reads in its place. */
  readonly unknown?: (type: number, bytes: Uint8Array) => Uint8Array
  /** What goes out in the place of a frame of the client. */
  readonly outgoing?: (frame: WireFrame) => readonly WireFrame[]
  readonly connected?: () => void
  /** What goes out just before the client ends its side. */
  readonly ending?: () => readonly WireFrame[]
}

/** Whole frames of a stream, each with its length; the rest stays in `held`. */
function cutFrames(held: { bytes: Buffer }, chunk: Uint8Array): Buffer[] {
  held.bytes = Buffer.concat([held.bytes, chunk])
  const frames: Buffer[] = []
  for (;;) {
    const end = held.bytes.findIndex((byte) => byte < 0x80)
    if (end < 0) return frames
    const length = held.bytes.subarray(0, end + 1).reduce((sum, byte, place) => sum + (byte & 0x7f) * 2 ** (7 * place), 0)
    const size = end + 1 + length
    if (held.bytes.length < size) return frames
    frames.push(held.bytes.subarray(0, size))
    held.bytes = held.bytes.subarray(size)
  }
}

/** null: not one that is known, or malformed. */
function decode(bytes: Uint8Array): { readonly type: number; readonly frame: WireFrame | null } | null {
  const end = bytes.findIndex((byte) => byte < 0x80)
  try {
    return decodeBody(bytes.subarray(end + 1))
  } catch (error) {
    if (error instanceof WireFault) return null
    throw error
  }
}

function change(bytes: Uint8Array, rewrite: (frame: WireFrame) => readonly WireFrame[], unknown: Wiring['unknown']): Uint8Array {
  const decoded = decode(bytes)
  if (decoded === null) return bytes
  if (decoded.frame === null) return unknown?.(decoded.type, bytes) ?? bytes
  return Buffer.concat(rewrite(decoded.frame).map(encodeFrame))
}

/** The platform with other wires. `make` is called once for each client. */
export function rewired(make: () => Wiring): (platform: Platform) => Platform {
  return (platform) => {
    const wiring = make()
    const pass = (frame: WireFrame): readonly WireFrame[] => [frame]
    return {
      ...platform,
      connect: async (address, options, handlers, signal) => {
        const held = { bytes: Buffer.alloc(0) }
        wiring.connected?.()
        const transport = await platform.connect(address, options, {
          onData: (chunk, isMessage) => {
            const bytes = Buffer.concat(cutFrames(held, chunk).map((frame) => change(frame, wiring.incoming ?? pass, wiring.unknown)))
            if (bytes.length > 0) handlers.onData(bytes, isMessage)
          },
          onEnd: (cause) => { handlers.onEnd(cause) },
        }, signal)
        return {
          channelBinding: transport.channelBinding,
          write: (frames) => {
            const changed = frames.map((frame) => change(frame, wiring.outgoing ?? pass, undefined)).filter((frame) => frame.length > 0)
            if (changed.length > 0) transport.write(changed)
          },
          close: (code) => {
            const last = wiring.ending?.() ?? []
            if (last.length > 0) transport.write(last.map(encodeFrame))
            return transport.close(code)
          },
          drop: () => { transport.drop() },
        }
      },
    }
  }
}

/** The frame with other values. */
export function withValues(frame: WireFrame, values: WireFrame['values']): WireFrame {
  return { ...frame, values: { ...frame.values, ...values } }
}
