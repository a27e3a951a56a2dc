import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const otherSystem = process.platform === 'linux' ? false : 'threads have no priority of their own here'
const noChrt = process.platform === 'linux' && spawnSync('chrt', ['--version']).status === 0 ? false : 'there is no chrt'

/** Of proc(5), behind the name of the program. */
const NICE = 16
const POLICY = 38
const SCHED_IDLE = 5

/** What the threads of a process have after this, one that it starts afterwards among them: their field of /proc/self/task/THREAD/stat. */
function afterwards(statement: string, field: number): number[] {
  const program = `
    import { Worker } from 'node:worker_threads'
    import { readdirSync, readFileSync } from 'node:fs'
    const { lowerPriority, runWhenIdle } = await import(${JSON.stringify(new URL('priority.js', import.meta.url).href)})
    ${statement}
    const worker = new Worker('setInterval(() => {}, 1000)', { eval: true })
    worker.once('online', () => {
      const fields = readdirSync('/proc/self/task').map((thread) => readFileSync('/proc/self/task/' + thread + '/stat', 'latin1').split(') ').at(-1).split(' ')[${String(field)}])
      console.log(JSON.stringify(fields.map(Number)))
      process.exit()
    })`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
  assert.equal(stderr, '')
  return JSON.parse(stdout) as number[]
}

test('every thread has the lower priority, those that were there as well', { skip: otherSystem }, () => {
  const [nice = NaN, ...others] = afterwards('lowerPriority(0)', NICE)
  assert.ok(others.length > 2)
  const wanted = Math.min(19, nice + 3)
  assert.deepEqual(afterwards('lowerPriority(3)', NICE).filter((found) => found !== wanted), [])
  assert.deepEqual(afterwards('lowerPriority(19)', NICE).filter((found) => found !== 19), [])
})

test('every thread runs when nobody else wants to', { skip: noChrt }, () => {
  assert.deepEqual(afterwards('if (!runWhenIdle()) throw new Error("it did not")', POLICY).filter((found) => found !== SCHED_IDLE), [])
})

test('without chrt there is the lowest priority', { skip: otherSystem }, () => {
  assert.deepEqual(afterwards('process.env.PATH = ""; if (runWhenIdle()) throw new Error("it did")', NICE).filter((found) => found !== 19), [])
})
