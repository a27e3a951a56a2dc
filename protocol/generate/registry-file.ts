/** The shape of spec/protocol.json, as far as the generator and the checks read it. The JSON Schema beside it is what validates it. */

export interface FieldSpec {
  readonly name: string
  readonly type: string
  readonly xml?: string
  readonly values?: Readonly<Record<string, number>>
  readonly doc: string
}

export interface FrameSpec {
  readonly name: string
  readonly type: number
  readonly from: 'client' | 'server' | 'both'
  readonly phase: 'start' | 'session' | 'any'
  readonly stanza?: boolean
  readonly entry?: boolean
  readonly xml?: string
  readonly doc: string
  readonly fields: readonly FieldSpec[]
}

export interface ExtensionSpec {
  readonly key: number
  readonly name: string
  readonly status: 'reserved' | 'defined'
  readonly doc: string
}

export interface ErrorSpec {
  readonly code: number
  readonly name: string
  readonly scope: 'stream' | 'stanza'
  readonly class: string
  readonly retryable: boolean
  readonly doc: string
  readonly reserved?: string
}

export interface LimitSpec {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly advertised?: string
  readonly doc: string
}

export interface RequirementSpec {
  readonly id: string
  readonly level: 'MUST' | 'SHOULD' | 'MAY'
  readonly text: string
}

export interface RegistryFile {
  readonly version: number
  readonly subprotocol: string
  readonly alpn: string
  readonly dictionary: number
  readonly ports: Readonly<Record<string, number>>
  readonly mechanisms: readonly string[]
  readonly channelBindings: readonly string[]
  readonly frames: readonly FrameSpec[]
  readonly extensions: readonly ExtensionSpec[]
  readonly errors: readonly ErrorSpec[]
  readonly limits: readonly LimitSpec[]
  readonly tokens: readonly string[]
  readonly requirements: readonly RequirementSpec[]
}
