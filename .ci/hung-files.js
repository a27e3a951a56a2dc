/**
 * Ends the processes of test files that hang, and says in what state they were. A test that waits too long fails by the runner's own
 * timeout; but from Node 22 on that does not end a file whose tests are over and whose process stays, nor one whose event loop is blocked,
 * and one such file would hold up everything behind it. Works by /proc, so on Linux alone.
 */
import { readdirSync, readFileSync } from 'node:fs'

const LOOK_MS = 5000
/** Of a runner that runs nothing. */
const IDLE_MS = 60_000

/** @returns {{ pid: number, parent: number, args: string[], text: string }[]} */
function processes() {
  const all = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').filter((arg) => arg !== '')
      all.push({ pid: Number(name), parent: Number(parent), args, text: `${name} ${state} ${threads(name)}  ${args.filter((arg) => !arg.startsWith('-')).join(' ')}` })
    } catch { /* it has ended meanwhile */ }
  }
  return all
}

/** Where its threads wait in the kernel. */
function threads(pid) {
  const counts = new Map()
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    const wait = readFileSync(`/proc/${pid}/task/${id}/wchan`, 'latin1')
    const at = id === pid ? `main:${wait}` : wait
    counts.set(at, (counts.get(at) ?? 0) + 1)
  }
  return [...counts].map(([at, count]) => count === 1 ? at : `${count}×${at}`).join(',')
}

function descendants(all, pid) {
  const children = all.filter(({ parent }) => parent === pid)
  return children.flatMap((child) => [child, ...descendants(all, child.pid)])
}

function kill(pid) {
  try { process.kill(pid, 'SIGKILL') } catch { /* gone */ }
}

/**
 * Watches the files that this process of `node --test` runs, until the returned function is called, which gives those that were ended.
 * @param {number} runner its pid
 * @param {string[]} files paths as the runner was given them
 * @param {number} limitMs
 */
export function watchForHungFiles(runner, files, limitMs) {
  const since = new Map()
  const hung = new Set()
  let lastChild = performance.now()
  const look = () => {
    const all = processes()
    for (const child of all.filter(({ parent }) => parent === runner)) {
      const file = files.find((path) => child.args.includes(path))
      if (file === undefined) continue
      const key = `${child.pid} ${file}`
      if (!since.has(key)) since.set(key, performance.now())
      if (performance.now() - since.get(key) < limitMs) continue
      const tree = [child, ...descendants(all, child.pid)]
      console.error(`\n${file} does not end. Its processes, where their threads wait, and their commands:\n${tree.map(({ text }) => `  ${text}`).join('\n')}`)
      hung.add(file)
      for (const { pid } of tree.reverse()) kill(pid)
    }
    if (all.some(({ parent }) => parent === runner)) lastChild = performance.now()
    else if (performance.now() - lastChild > IDLE_MS) {
      console.error('\nAll files have ended, and the runner waits: a program that a test left behind has its output open.')
      kill(runner)
    }
  }
  const timer = process.platform === 'linux' ? setInterval(look, LOOK_MS) : undefined
  return () => {
    clearInterval(timer)
    return [...hung]
  }
}
