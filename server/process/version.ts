/** The version of this program. */
import { readFileSync } from 'node:fs'

/** That of the package, which lies above dist. */
export function version(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
