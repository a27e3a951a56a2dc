/** What steps of both modes are made of. */
import { registry } from '../spec/registry.js'
import type { FieldValue } from '../spec/wire.js'
import type { RawBytes } from './case.js'
import { firstMismatch, type Variables } from './variables.js'
import { CaseFailed } from './verdict.js'

/** The text of a requirement. */
export function textOf(requirement: string): string {
  return registry.requirements.find(({ id }) => id === requirement)?.text ?? requirement
}

export function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value as readonly T[] : [value as T]
}

export function rawBytes(raw: RawBytes): Buffer {
  if (typeof raw === 'string') return Buffer.from(raw.replaceAll(/\s/g, ''), 'hex')
  if ('repeat' in raw) return Buffer.from(raw.repeat.repeat(raw.times), 'hex')
  return Buffer.concat(raw.map(rawBytes))
}

/** A field that is a number or a string, as text. */
export function plain(value: FieldValue | undefined): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : ''
}

/** Of an error of the registry. Throws a RangeError. */
export function errorCode(name: string): number {
  const error = registry.errors.find((one) => one.name === name)
  if (error === undefined) throw new RangeError(`no error is called ${name}`)
  return error.code
}

/** The number itself where the registry has none. */
export function errorName(code: number): string {
  return registry.errors.find((error) => error.code === code)?.name ?? String(code)
}

/** Values that are not as the patterns beside them say fail the case. */
export function compare(variables: Variables, pairs: readonly (readonly [string, string])[]): void {
  const mismatch = firstMismatch(variables, pairs)
  if (mismatch !== null) throw new CaseFailed('fail', `${mismatch.value} to be ${mismatch.expected}`, mismatch.came)
}
