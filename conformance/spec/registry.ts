/** `spec/protocol.json` as data: what the prose, its tables and its tests are made from and held against. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface FieldEntry {
  readonly name: string
  readonly type: string
  readonly doc: string
  /** Name of the attribute in the XML form where it differs from the field's. */
  readonly xml?: string
  readonly values?: Readonly<Record<string, number>>
}

export interface FrameEntry {
  readonly name: string
  readonly type: number
  readonly from: 'client' | 'server' | 'both'
  readonly phase: 'start' | 'session' | 'any'
  readonly stanza?: boolean
  readonly entry?: boolean
  /** Name of the element in the XML form where it differs from the frame's. */
  readonly xml?: string
  readonly doc: string
  readonly fields: readonly FieldEntry[]
}

export interface ErrorEntry {
  readonly code: number
  readonly name: string
  readonly scope: 'stream' | 'stanza'
  readonly class: string
  readonly retryable: boolean
  readonly doc: string
  /** What it is reserved for: not sent yet. */
  readonly reserved?: string
}

export interface LimitEntry {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The field that tells the peer of it. */
  readonly advertised?: string
  readonly doc: string
}

export interface RequirementEntry {
  readonly id: string
  readonly level: 'MUST' | 'SHOULD' | 'MAY'
  readonly text: string
}

export interface Registry {
  readonly version: number
  readonly subprotocol: string
  readonly alpn: string
  readonly dictionary: number
  readonly ports: Readonly<Record<string, number>>
  readonly mechanisms: readonly string[]
  readonly channelBindings: readonly string[]
  readonly types: Readonly<Record<string, string>>
  readonly frames: readonly FrameEntry[]
  readonly reservedFrames: readonly { readonly from: number; readonly to: number; readonly parity: string; readonly doc: string }[]
  readonly extensions: readonly { readonly key: number; readonly name: string; readonly status: string; readonly doc: string }[]
  readonly errors: readonly ErrorEntry[]
  readonly limits: readonly LimitEntry[]
  readonly tokens: readonly string[]
  readonly requirements: readonly RequirementEntry[]
}

/** The checkout's root: this file runs from `dist/conformance/spec/`. */
export const rootFolder = fileURLToPath(new URL('../../../', import.meta.url))

export const registry = JSON.parse(readFileSync(`${rootFolder}spec/protocol.json`, 'utf8')) as Registry

/** Throws a RangeError when there is no such frame: the name comes from this project's own pages, never from a peer. */
export function frameOf(name: string): FrameEntry {
  const frame = registry.frames.find((entry) => entry.name === name)
  if (frame === undefined) throw new RangeError(`no frame is called ${name}`)
  return frame
}
