import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { openAdminListener } from './admin-listener.js'

test('/readyz says why it is not, and when it is what is to be known all the same', async (t) => {
  let [trouble, notice] = ['', '']
  const admin = await openAdminListener('127.0.0.1', 0, { metrics: new Registry(), notReady: () => trouble, notice: () => notice })
  t.after(() => admin.close())
  const ready = async (): Promise<[number, string]> => {
    const response = await fetch(`${admin.url}/readyz`)
    return [response.status, await response.text()]
  }
  assert.deepEqual(await ready(), [200, 'ready\n'])
  notice = 'something waits'
  assert.deepEqual(await ready(), [200, 'ready\nsomething waits\n'])
  trouble = 'no node owns the shard'
  assert.deepEqual(await ready(), [503, 'no node owns the shard\n'])
})
