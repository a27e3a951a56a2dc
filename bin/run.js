/**
 * What the programs of this folder begin with. It is not compiled, and written for any Node, so that one that is too old, or a build that is not
 * there, is said in a line.
 */
import { readFileSync } from 'node:fs'

/** Runs the compiled program at `path`, a URL from this folder. */
export async function run(name, path) {
  const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const wanted = engines.node.replace('>=', '')
  if (isOlder(process.versions.node, wanted)) return fail(name, `needs Node ${wanted} or later, and this is ${process.versions.node}: install a newer one (https://nodejs.org)`)
  const program = new URL(path, import.meta.url)
  try {
    const { main } = await import(program.href)
    await main(process.argv.slice(2))
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || error.url !== program.href) throw error
    fail(name, 'not built yet; run `npm run build` in the folder of chatd first')
  }
}

function fail(name, text) {
  process.stderr.write(`${name}: ${text}\n`)
  process.exitCode = 1
}

function isOlder(version, wanted) {
  const parts = version.split('.').map(Number)
  for (const [at, least] of wanted.split('.').map(Number).entries()) {
    if (parts[at] !== least) return parts[at] < least
  }
  return false
}
