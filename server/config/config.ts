/**
 * Makes the one frozen Config from, in rising precedence: the table's defaults, the TOML file, the environment, the flags. Refuses
 * what it does not know or what lies out of bounds, in one line that says what to do.
 */
import { readFileSync } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import { checkCluster } from './check-cluster.js'
import { ConfigError } from './config-error.js'
import { isLoopback, parseAdminUrl, parseListenUrl, parseOrigin } from './listen-url.js'
import { allSettings, type Config, SETTINGS, type Setting, type Value } from './settings.js'

export { ConfigError }

/** Where a value came from, for `chatd config`. */
export type Source = 'default' | 'file' | 'environment' | 'flag'

export interface ConfigInput {
  /** Path of the TOML file; null: none. */
  readonly file: string | null
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Full name (`limits.devicesMax`) to text; a list is comma-separated. */
  readonly flags: ReadonlyMap<string, string>
}

export interface LoadedConfig {
  readonly config: Config
  /** By full name. */
  readonly sources: ReadonlyMap<string, Source>
}

/** Loads, merges and checks. Throws ConfigError alone. */
export function loadConfig(input: ConfigInput): LoadedConfig {
  const values = new Map<string, Value>()
  const sources = new Map<string, Source>()
  for (const { name, setting } of allSettings()) {
    values.set(name, setting.default)
    sources.set(name, 'default')
  }
  const set = (name: string, value: Value, source: Source): void => {
    values.set(name, value)
    sources.set(name, source)
  }
  if (input.file !== null) readFile(input.file, set)
  readEnvironment(input.environment, set)
  readFlags(input.flags, set)
  const config = freeze(values)
  checkTogether(config)
  return { config, sources }
}

/** The configuration with some values changed, checked like one from a file: for tests and embedders. */
export function configOf(changes: { readonly [S in keyof Config]?: Partial<Config[S]> }): Config {
  const values = new Map<string, Value>()
  for (const { name, setting } of allSettings()) values.set(name, setting.default)
  for (const [section, settings] of Object.entries(changes)) {
    for (const [key, value] of Object.entries(settings)) values.set(`${section}.${key}`, checkValue(`${section}.${key}`, settingOf(`${section}.${key}`), value))
  }
  const config = freeze(values)
  checkTogether(config)
  return config
}

type Set = (name: string, value: Value, source: Source) => void

function readFile(path: string, set: Set): void {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`can't read the configuration file ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}; give an existing one with --config`)
  }
  let document: Record<string, unknown>
  try {
    document = parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const sentence = error.message.split('\n')[0] ?? 'not TOML'
    throw new ConfigError(`${path}:${String(error.line)}:${String(error.column)}: ${sentence}; mend this line`)
  }
  for (const [section, table] of Object.entries(document)) {
    if (!Object.hasOwn(SETTINGS, section)) throw unknown(section, Object.keys(SETTINGS), path)
    if (typeof table !== 'object' || table === null || Array.isArray(table)) {
      throw new ConfigError(`${path}: ${section} has to be a table: write [${section}] and its values below it`)
    }
    for (const [key, value] of Object.entries(table)) {
      const name = `${section}.${key}`
      set(name, checkValue(name, settingOf(name, path), value), 'file')
    }
  }
}

function readEnvironment(environment: ConfigInput['environment'], set: Set): void {
  const settings = allSettings()
  const byVariable = new Map(settings.map((item) => [item.variable, item]))
  const prefixes = Object.keys(SETTINGS).map((section) => `CHATD_${section.toUpperCase()}_`)
  for (const [variable, value] of Object.entries(environment)) {
    if (value === undefined || !prefixes.some((prefix) => variable.startsWith(prefix))) continue
    const item = byVariable.get(variable)
    if (item === undefined) throw unknown(variable, [...byVariable.keys()], 'the environment')
    set(item.name, checkValue(variable, item.setting, fromText(item.setting, value)), 'environment')
  }
}

function readFlags(flags: ReadonlyMap<string, string>, set: Set): void {
  for (const [name, value] of flags) {
    const setting = settingOf(name, 'the command line')
    set(name, checkValue(name, setting, fromText(setting, value)), 'flag')
  }
}

function settingOf(name: string, where = 'the configuration'): Setting<Value> {
  const item = allSettings().find((candidate) => candidate.name === name)
  if (item === undefined) throw unknown(name, allSettings().map((candidate) => candidate.name), where)
  return item.setting
}

/** Texts of flags and environment become what TOML would have given; what does not fit is left for checkValue to refuse. */
function fromText(setting: Setting<Value>, value: string): unknown {
  switch (setting.type) {
    case 'integer': return /^-?\d{1,15}$/.test(value) ? Number(value) : value
    case 'boolean': return value === 'true' ? true : value === 'false' ? false : value
    case 'list': return value === '' ? [] : value.split(',').map((item) => item.trim())
    case 'text': return value
  }
}

function checkValue(name: string, setting: Setting<Value>, value: unknown): Value {
  switch (setting.type) {
    case 'integer':
      if (typeof value !== 'number' || !Number.isInteger(value) || value < setting.min || value > setting.max) {
        throw new ConfigError(`${name} is ${show(value)}: give a whole number from ${String(setting.min)} to ${String(setting.max)} (${setting.unit})`)
      }
      return value
    case 'boolean':
      if (typeof value !== 'boolean') throw new ConfigError(`${name} is ${show(value)}: give true or false`)
      return value
    case 'text':
      if (typeof value !== 'string' || value.length > setting.max) throw new ConfigError(`${name} is ${show(value)}: give a text`)
      if (setting.choices !== null && !setting.choices.includes(value)) {
        throw new ConfigError(`${name} is ${show(value)}: give one of ${setting.choices.join(', ')}`)
      }
      return value
    case 'list':
      if (!Array.isArray(value) || value.length > setting.max || !value.every((item) => typeof item === 'string')) {
        throw new ConfigError(`${name} is ${show(value)}: give a list of at most ${String(setting.max)} texts`)
      }
      return Object.freeze([...value])
  }
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value)
  return shown.length > 60 ? `${shown.slice(0, 57)}…` : shown
}

function freeze(values: ReadonlyMap<string, Value>): Config {
  const config: Record<string, Record<string, Value>> = {}
  for (const { section, key, name, setting } of allSettings()) {
    const table = config[section] ??= {}
    table[key] = values.get(name) ?? setting.default
  }
  for (const table of Object.values(config)) Object.freeze(table)
  return Object.freeze(config) as unknown as Config
}

/** What no single value shows: URLs, secrets, and pairs of limits. */
function checkTogether(config: Config): void {
  const { listen, limits, admin } = config
  if (listen.urls.length === 0) throw new ConfigError('listen.urls is empty: give at least one, for example "tcp://127.0.0.1:5322"')
  for (const url of listen.urls) {
    const parsed = parseListenUrl(url)
    if (parsed === null) throw new ConfigError(`listen.urls: ${show(url)} is no listener: write tcp://HOST:PORT, or tls://, ws://, wss:// in its place`)
    if (!parsed.encrypted && !isLoopback(parsed.host) && !listen.allowPlaintext) {
      throw new ConfigError(`listen.urls: ${url} is plaintext beyond loopback: use tls:// or wss://, or set listen.allowPlaintext = true if something in front encrypts`)
    }
    if (parsed.encrypted && (listen.tlsCertificate === '' || listen.tlsKey === '')) {
      throw new ConfigError(`listen.urls: ${url} needs listen.tlsCertificate and listen.tlsKey: to try it out, make a pair with chatd cert --out DIR`)
    }
  }
  if (admin.url !== '' && parseAdminUrl(admin.url) === null) {
    throw new ConfigError(`admin.url: ${show(admin.url)} is no http://HOST:PORT; empty turns the admin listener off`)
  }
  checkBlobs(config)
  checkCluster(config)
  const ordered = [
    ['limits.windowDefault', limits.windowDefault, 'limits.windowMax', limits.windowMax],
    ['limits.openFrameBytesMax', limits.openFrameBytesMax, 'limits.frameBytesMax', limits.frameBytesMax],
    ['limits.openFrameBytesMax', limits.openFrameBytesMax, 'limits.openBytesMax', limits.openBytesMax],
    ['limits.windowBytesMax', limits.windowBytesMax, 'limits.outgoingBytesMax', limits.outgoingBytesMax],
    ['limits.tokenRotateMs', limits.tokenRotateMs, 'limits.tokenAgeMs', limits.tokenAgeMs],
  ] as const
  for (const [lowName, low, highName, high] of ordered) {
    if (low > high) throw new ConfigError(`${lowName} (${String(low)}) is larger than ${highName} (${String(high)}): lower the one or raise the other`)
  }
}

/** A media type, all of a kind, or all. Anything else would match nothing, and nobody could upload. */
const MEDIA_TYPES = /^(?:\*|\*\/\*|[a-z0-9][a-z0-9!#$&^_.+-]*\/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]*))$/i

function checkBlobs({ blobs, cluster }: Config): void {
  if (blobs.publicUrl !== '' && parseOrigin(blobs.publicUrl) === null) {
    throw new ConfigError(`blobs.publicUrl: ${show(blobs.publicUrl)} is no origin: write https://HOST or https://HOST:PORT, and nothing behind it`)
  }
  if (blobs.types.length === 0) throw new ConfigError('blobs.types is empty: give "*" for all, or turn blobs off with blobs.enabled = false')
  const odd = blobs.types.find((type) => !MEDIA_TYPES.test(type.trim()))
  if (odd !== undefined) throw new ConfigError(`blobs.types: ${show(odd)} is no media type: write "image/jpeg" for one, "image/*" for all of a kind, "*" for all`)
  if (blobs.enabled && blobs.store === 's3' && (blobs.s3Endpoint === '' || blobs.s3Bucket === '')) {
    throw new ConfigError('blobs.store is s3: give blobs.s3Endpoint and blobs.s3Bucket')
  }
  // A data directory belongs to one node.
  if (blobs.enabled && cluster.sharedFiles && blobs.store === 'file' && blobs.directory === '') {
    throw new ConfigError('cluster.sharedFiles is true: give blobs.directory, a directory that is the same for all nodes')
  }
}

function unknown(name: string, known: readonly string[], where: string): ConfigError {
  const near = nearest(name, known)
  const hint = near === null ? '; chatd config prints all there are' : `; did you mean ${near}?`
  return new ConfigError(`${where}: unknown key ${show(name)}${hint}`)
}

/** The known name that shares most letter pairs with a mistyped one; null when none comes near. */
function nearest(name: string, known: readonly string[]): string | null {
  const pairs = (text: string): string[] => Array.from({ length: Math.max(0, text.length - 1) }, (_, i) => text.slice(i, i + 2).toLowerCase())
  const wanted = new Set(pairs(name))
  let best: string | null = null
  let bestScore = 0.6
  for (const candidate of known) {
    const own = pairs(candidate)
    const shared = own.filter((pair) => wanted.has(pair)).length
    const score = 2 * shared / (own.length + wanted.size)
    if (score > bestScore) {
      best = candidate
      bestScore = score
    }
  }
  return best
}
