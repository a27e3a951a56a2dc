/**
 * Holds the share of lines covered, by folder, against what we ask of it. Reads the summary that c8 wrote; a folder without a single
 * covered file fails as well, so that a mistaken filter cannot pass for full coverage.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const linesPctMin = 90
const folders = ['protocol', 'storage', 'server/shard']
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const summary = JSON.parse(readFileSync(join(root, 'coverage', 'coverage-summary.json'), 'utf8'))

/** A source of types alone compiles to nothing that could run. */
function hasCode(path) {
  const compiled = join(root, 'dist', path.replace(/\.ts$/, '.js'))
  return !existsSync(compiled) || !/^export \{\};\s*(\/\/#.*)?\s*$/.test(readFileSync(compiled, 'utf8').replace(/\/\*[^]*?\*\//g, '').trim())
}

let failed = false
for (const folder of folders) {
  let total = 0
  let covered = 0
  const weak = []
  for (const [file, { lines }] of Object.entries(summary)) {
    const path = relative(root, file).split(sep).join('/')
    if (!path.startsWith(`${folder}/`) || !hasCode(path)) continue
    total += lines.total
    covered += lines.covered
    if (lines.pct < linesPctMin) weak.push(`${path} ${lines.pct} %`)
  }
  const pct = total === 0 ? 0 : covered * 100 / total
  const verdict = pct >= linesPctMin ? 'ok' : 'BELOW'
  if (pct < linesPctMin) failed = true
  console.log(`coverage of ${folder}: ${pct.toFixed(1)} % of ${total} lines, ${linesPctMin} % asked: ${verdict}`)
  if (pct < linesPctMin) for (const line of weak) console.log(`  ${line}`)
}
process.exit(failed ? 1 : 0)
