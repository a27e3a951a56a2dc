/** Reads the committed vectors. */
import { readFileSync } from 'node:fs'
import type { ErrorCase } from './error-cases.js'
import type { DictionaryCase, LoginTokenCase } from './token-cases.js'
import type { AcceptableCase, InvalidCase } from './bad-frame-cases.js'
import type { InvalidElementCase } from './element-cases.js'
import type { JsonElement, JsonExtension, JsonFields } from './reference-encoder.js'
import { packageRoot } from './registry.js'
import type { NormalizeCase, TextCase } from './text-cases.js'

export interface ValidVector {
  readonly name: string
  readonly frame: string
  readonly hex: string
  readonly fields: JsonFields
  readonly extensions: readonly JsonExtension[]
  readonly xml?: string
}

export interface CodecVectors {
  readonly valid: readonly ValidVector[]
  readonly invalid: readonly InvalidCase[]
  readonly acceptable: readonly AcceptableCase[]
}

export interface ElementVectors {
  readonly valid: readonly { readonly name: string; readonly hex: string; readonly tree: JsonElement; readonly xml: string }[]
  readonly invalid: readonly InvalidElementCase[]
}

export interface AddressVectors {
  readonly names: readonly NormalizeCase[]
  readonly conversations: readonly NormalizeCase[]
  readonly fullAddresses: readonly NormalizeCase[]
}

export interface TextVectors {
  readonly texts: readonly TextCase[]
  readonly passwords: readonly NormalizeCase[]
}

export interface TokenVectors {
  readonly logins: readonly LoginTokenCase[]
  readonly dictionary: readonly DictionaryCase[]
}

export interface ErrorVectors {
  readonly errors: readonly ErrorCase[]
  readonly unknown: readonly ErrorCase[]
}

/** The text of a file of conformance/vectors/. */
export function vectorFileText(name: string): string {
  return readFileSync(new URL(`conformance/vectors/${name}`, packageRoot), 'utf8')
}

function read(name: string): unknown {
  return JSON.parse(vectorFileText(name))
}

export const codecVectors = read('codec.json') as CodecVectors
export const elementVectors = read('elements.json') as ElementVectors
export const addressVectors = read('addresses.json') as AddressVectors
export const textVectors = read('text.json') as TextVectors
export const tokenVectors = read('tokens.json') as TokenVectors
export const errorVectors = read('errors.json') as ErrorVectors
