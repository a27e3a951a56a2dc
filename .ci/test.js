/**
 * Runs the compiled tests of the folders named, or of all, with node's own test runner. Node 20 takes a folder and no glob, Node 22
 * and later a glob and no folder; so the files are listed here. A compiled test whose source is gone is left out.
 *
 *     node .ci/test.js [folder or file below the sources…] [--without=folder or file…] [--options for node --test]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { watchForHungFiles } from './hung-files.js'

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
const scratch = mkdtempSync(join(tmpdir(), 'chatd-tests-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const failures = join(scratch, 'failures')
if (!options.some((option) => option.startsWith('--test-reporter'))) options.unshift('--test-reporter=spec')
options.push('--test-reporter-destination=stdout', `--test-reporter=${pathToFileURL(join(root, '.ci', 'failed-tests.js')).href}`, `--test-reporter-destination=${failures}`)
// A test that hangs has to fail with its name, not hold up everything behind it.
const timeout = '--test-timeout='
if (!options.some((option) => option.startsWith(timeout))) options.unshift(`${timeout}600000`)
const timeoutMs = Number(options.find((option) => option.startsWith(timeout)).slice(timeout.length))
// Node would run one file less at once than there are processors; ours wait for processes, timers and disks in between.
if (!options.some((option) => option.startsWith('--test-concurrency'))) options.unshift(`--test-concurrency=${availableParallelism() + 1}`)
// What a test covers is noted for its own process: programs that it starts would spend longer on noting that than on what they do.
if (process.env.NODE_V8_COVERAGE) options.unshift(`--import=${pathToFileURL(join(root, '.ci', 'cover-no-children.js')).href}`)

/** A file has as long as a test may have, and a minute. */
const FILE_EXTRA_MS = 60_000

/** Plays these files, and tells how that ended, and which of them hung and were ended. */
async function play(files) {
  const runner = spawn(process.execPath, ['--test', ...options, ...files], { cwd: root, stdio: 'inherit' })
  const exit = once(runner, 'exit')
  const hungFiles = timeoutMs === 0 ? () => [] : watchForHungFiles(runner.pid, files, timeoutMs + FILE_EXTRA_MS)
  const [status] = await exit
  return { status: status ?? 1, hung: hungFiles() }
}

const { status, hung } = await play(files)
const failed = existsSync(failures) ? readFileSync(failures, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line)) : []
if (hung.length === 0 || failed.some(({ file, name }) => name !== file || !hung.includes(file))) process.exit(status)
// Node itself may hang where a process ends (nodejs/node#54918), which no test can help. What hangs again is ours.
console.error(`\nNothing else failed. Once more: ${hung.join(', ')}`)
process.exit((await play(hung)).status)
