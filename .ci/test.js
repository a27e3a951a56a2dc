/**
 * Runs the compiled tests of the folders named, or of all, with node's own test runner. Node 20 takes a folder and no glob, Node 22
 * and later a glob and no folder; so the files are listed here. A compiled test whose source is gone is left out.
 *
 *     node .ci/test.js [folder or file below the sources…] [--without=folder or file…] [--options for node --test]
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
const all = ['protocol', 'storage', 'server', 'conformance', 'bin']

function* compiledTests(path) {
  if (!existsSync(path)) return
  if (statSync(path).isDirectory()) {
    for (const name of readdirSync(path).sort()) yield* compiledTests(join(path, name))
  } else if (path.endsWith('.test.js') && existsSync(join(root, relative(dist, path).replace(/\.js$/, '.ts')))) yield path
}

const given = process.argv.slice(2)
const without = '--without='
const options = given.filter((argument) => argument.startsWith('-') && !argument.startsWith(without))
const targets = given.filter((argument) => !argument.startsWith('-'))
const filesOf = (names) => names
  .map((target) => join(dist, relative('dist', target).startsWith('..') ? target : relative('dist', target)).replace(/\.ts$/, '.js'))
  .flatMap((path) => [...compiledTests(path)])
const leftOut = given.filter((argument) => argument.startsWith(without)).map((argument) => {
  const found = filesOf([argument.slice(without.length)])
  if (found.length > 0) return found
  // Else a file that was moved would be played again, and nobody would know why that takes so long.
  console.error(`${argument}: no compiled tests there`)
  process.exit(2)
}).flat()
const files = filesOf(targets.length > 0 ? targets : all).filter((file) => !leftOut.includes(file))
if (files.length === 0) {
  console.error('no compiled tests found: run npx tsc -b first, and name folders such as storage or server/shard')
  process.exit(2)
}
if (!options.some((option) => option.startsWith('--test-reporter'))) options.unshift('--test-reporter=spec')
// A test, or a file of them, that hangs has to fail with its name, not hold up everything behind it.
if (!options.some((option) => option.startsWith('--test-timeout'))) options.unshift('--test-timeout=600000')
// Node would run one file less at once than there are processors; ours wait for processes, timers and disks in between.
if (!options.some((option) => option.startsWith('--test-concurrency'))) options.unshift(`--test-concurrency=${availableParallelism() + 1}`)
// What a test covers is noted for its own process: programs that it starts would spend longer on noting that than on what they do.
if (process.env.NODE_V8_COVERAGE) options.unshift(`--import=${pathToFileURL(join(root, '.ci', 'cover-no-children.js')).href}`)
const run = spawnSync(process.execPath, ['--test', ...options, ...files], { cwd: root, stdio: 'inherit' })
if (run.error !== undefined) throw run.error
process.exit(run.status ?? 1)
