/**
 * Names for what is known only while a case runs: client ids, nonces, indexes. In a frame that is sent, `$name` stands for the value, and
 * `$name+2` for a number near it. In a frame that is expected, a name that has no value yet takes what came; one that has is compared.
 */

/** A case that cannot be played as it is written: a fault of the suite, never of the client. */
export class CaseFault extends Error {}

const reference = /\$([a-z][A-Za-z0-9_]*)(?:([+-])([0-9]+))?/g

export class Variables {
  readonly #values = new Map<string, string>()

  get(name: string): string | undefined {
    return this.#values.get(name)
  }

  set(name: string, value: string): void {
    this.#values.set(name, value)
  }

  /** What `look` keeps stays only where it finds nothing wrong: it returns what is. */
  tentatively(look: () => string | null): string | null {
    const before = new Map(this.#values)
    const fault = look()
    if (fault === null) return null
    this.#values.clear()
    for (const [name, value] of before) this.#values.set(name, value)
    return fault
  }

  /** The text with every name replaced. Throws a CaseFault for one without a value. */
  fill(text: string): string {
    return text.replaceAll(reference, (_, name: string, sign: string | undefined, number: string | undefined) => {
      const value = this.#values.get(name)
      if (value === undefined) throw new CaseFault(`$${name} has no value yet`)
      if (sign === undefined || number === undefined) return value
      return String(Number(value) + (sign === '-' ? -1 : 1) * Number(number))
    })
  }

  /** Every text in a value, of a dump or a command; `repeat:TEXT:TIMES` stands for a long text. */
  fillAll(value: unknown): unknown {
    if (typeof value === 'string') {
      const repeated = /^repeat:(.+):([0-9]+)$/s.exec(value)
      return repeated === null ? this.fill(value) : repeated[1]!.repeat(Number(repeated[2]))
    }
    if (Array.isArray(value)) return value.map((item) => this.fillAll(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, this.fillAll(inner)]))
  }

  /**
   * Whether a value is as the pattern says; null: it is, else what was expected, in words. Patterns: `5`, `$name`, `above 5`,
   * `at least $name`, `below …`, `at most …`, `not …`, `any`; with `$name ` in front of one of these words the value is kept as well.
   */
  match(pattern: string, value: string): string | null {
    const kept = /^\$([a-z][A-Za-z0-9_]*)(?: (?=above|below|at least|at most|not|any)|$)/.exec(pattern)
    const rest = kept === null ? pattern : pattern.slice(kept[0].length)
    const name = kept?.[1]
    if (name !== undefined && (rest !== '' || !this.#values.has(name))) {
      const fault = rest === '' ? null : this.match(rest, value)
      if (fault === null) this.#values.set(name, value)
      return fault
    }
    const relation = /^(above|below|at least|at most|not) (.*)$/s.exec(pattern)
    if (pattern === 'any') return null
    if (relation === null) {
      const wanted = this.fill(pattern)
      return wanted === value ? null : JSON.stringify(wanted)
    }
    const [, word = '', operand = ''] = relation
    const wanted = this.fill(operand)
    return holds(word, value, wanted) ? null : `${word} ${wanted}`
  }
}

/** Values and their patterns, as a step says them; null: all are so, else the first that is not, with what was expected of it. */
export function firstMismatch(variables: Variables, pairs: readonly (readonly [string, string])[]): { value: string, came: string, expected: string } | null {
  for (const [value, pattern] of pairs) {
    const came = variables.fill(value)
    const expected = variables.match(pattern, came)
    if (expected !== null) return { value, came, expected }
  }
  return null
}

function holds(word: string, value: string, wanted: string): boolean {
  switch (word) {
    case 'above': return Number(value) > Number(wanted)
    case 'below': return Number(value) < Number(wanted)
    case 'at least': return Number(value) >= Number(wanted)
    case 'at most': return Number(value) <= Number(wanted)
    default: return value !== wanted
  }
}
