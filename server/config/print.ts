/** Prints the effective configuration as a TOML file that gives the same configuration again. */
import { stringify } from 'smol-toml'
import type { LoadedConfig } from './config.js'
import { allSettings, type Value } from './settings.js'

/** TOML with a comment above each value: what it is, its unit and bounds, and where it came from. Ends in a newline. */
export function printConfig(loaded: LoadedConfig): string {
  const config = loaded.config as unknown as Record<string, Record<string, Value>>
  const lines: string[] = []
  let section = ''
  for (const item of allSettings()) {
    if (item.section !== section) {
      section = item.section
      lines.push(...lines.length === 0 ? [] : [''], `[${section}]`)
    }
    const { setting } = item
    const range = setting.type === 'integer' ? ` (${setting.unit}, ${String(setting.min)} to ${String(setting.max)})` : ''
    const choices = setting.choices === null ? '' : ` (${setting.choices.join(', ')})`
    lines.push('', `# ${setting.doc}${range}${choices}`)
    const value = config[section]?.[item.key] ?? setting.default
    const line = stringify({ [item.key]: value }).trim()
    lines.push(`${line} # ${origin(loaded, item.name, item.variable)}`)
  }
  return `${lines.join('\n')}\n`
}

function origin(loaded: LoadedConfig, name: string, variable: string): string {
  const source = loaded.sources.get(name) ?? 'default'
  return source === 'environment' ? variable : source
}
