/**
 * The forms of what shards ask each other, on their way between processes: from values to what MessagePack holds, and back again, where
 * everything is looked at, for the other end may be another build.
 */

export interface Form<T> {
  write(value: T): unknown
  /** Throws FormError where it is not of this form. */
  read(wire: unknown): T
}

/** What came is not of the form that it should have. */
export class FormError extends Error {
  override readonly name = 'FormError'
}

/** Values that MessagePack holds as they are. */
function plain<T>(what: string, isOne: (wire: unknown) => wire is T): Form<T> {
  return {
    write: (value) => value,
    read: (wire) => {
      if (!isOne(wire)) throw new FormError(`not ${what}`)
      return wire
    },
  }
}

export const text = plain('a text', (wire) => typeof wire === 'string')
export const flag = plain('a flag', (wire) => typeof wire === 'boolean')
export const bytes = plain('bytes', (wire) => wire instanceof Uint8Array)
/** From 0 to 2^53 - 1. */
export const count = plain('a count', (wire): wire is number => Number.isSafeInteger(wire) && (wire as number) >= 0)

/** Of what has no value. */
export const nothing: Form<void> = { write: () => null, read: () => undefined }

export function listOf<T>(item: Form<T>): Form<readonly T[]> {
  return {
    write: (values) => values.map((value) => item.write(value)),
    read: (wire) => {
      if (!Array.isArray(wire)) throw new FormError('not a list')
      return wire.map((value) => item.read(value))
    },
  }
}

/** A value, or null. */
export function orNull<T>(form: Form<T>): Form<T | null> {
  return {
    write: (value) => value === null ? null : form.write(value),
    read: (wire) => wire === null ? null : form.read(wire),
  }
}

type Forms<T> = { readonly [K in keyof T]: Form<T[K]> }

/** An object with these fields; others, as a later build may have them, are left out. */
export function record<T extends object>(fields: Forms<T>): Form<T> {
  const names = Object.keys(fields) as (keyof T & string)[]
  return {
    write: (value) => Object.fromEntries(names.map((name) => [name, fields[name].write(value[name])])),
    read: (wire) => {
      if (typeof wire !== 'object' || wire === null) throw new FormError('not a record')
      return Object.fromEntries(names.map((name) => [name, fields[name].read((wire as Readonly<Record<string, unknown>>)[name])])) as T
    },
  }
}

/** A value that is made of another one, of another form. */
export function madeOf<T, W>(form: Form<W>, make: (wire: W) => T, take: (value: T) => W): Form<T> {
  return { write: (value) => form.write(take(value)), read: (wire) => make(form.read(wire)) }
}
