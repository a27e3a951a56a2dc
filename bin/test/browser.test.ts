/** The client in a real browser, as served from the compiled files: sends, is loaded anew, and goes on from IndexedDB. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { MessageJson } from './harness.js'
import { Place, TIMEOUT_SECONDS } from './harness.js'

const DIST = new URL('../../', import.meta.url)

function findBrowser(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Runs a script as a module in the page of an origin of ours; `report` of the script ends up in `reports`. */
const pageOf = (script: string) => `<!doctype html><meta charset="utf-8"><title>chat</title><script type="module">
  const report = (what) => fetch('/report', { method: 'POST', body: JSON.stringify(what) })
  try {
    const { Client, indexedDbStorage } = await import('/protocol/client/browser.js')
${script}
  } catch (error) {
    await report({ error: String(error) + String(error.cause ?? '') })
  }
</script>`

/** Connects twice, the second time after a reload and without the password, and reports to the server of the page. */
const talkingPage = (server: string) => pageOf(`
    const isFirst = sessionStorage.getItem('seen') === null
    const client = new Client({
      server: ${JSON.stringify(server)}, user: 'alice', device: 'tab', storage: indexedDbStorage('alice'),
      ...(isFirst ? { password: 'password of alice' } : {}),
    })
    const { resume } = await client.connect()
    const { seq, clientId } = await client.send('bob', isFirst ? 'first' : 'after the reload')
    const { tail } = client.watermarks('bob')
    await client.close()
    await report({ isFirst, resume, seq, clientId, tail })
    sessionStorage.setItem('seen', 'yes')
    if (isFirst) location.reload()`)

/** Uploads a file in several pieces, sends it, and gets it back out of the message. */
const filePage = (server: string) => pageOf(`
    const client = new Client({ server: ${JSON.stringify(server)}, user: 'alice', password: 'password of alice', device: 'tab' })
    await client.connect()
    const bytes = new Uint8Array(1_500_000).map((_, at) => (at * 2654435761) >>> 13)
    let steps = 0
    const blob = await client.upload(new File([bytes], 'C:\\\\fakepath\\\\beach.bin'), { onProgress: () => { steps += 1 } })
    const { seq } = await client.send('bob', '', { attachments: [blob] })
    const { messages: [message] } = await client.history('bob')
    const got = await client.download({ with: 'bob', seq, attachment: message.attachments[0] })
    await client.close()
    await report({ name: message.attachments[0].name, size: got.size, isSame: got.bytes.every((byte, at) => byte === bytes[at]), hasSteps: steps > 2 })`)

const browser = findBrowser()
const options = { skip: browser === undefined && 'no Chromium here', timeout: 120_000 }

/** Opens the page in Chromium; resolves once it has reported so often, or an error. `page` is asked for when the server listens. */
async function runPage(t: TestContext, place: Place, page: () => string, count: number): Promise<Record<string, unknown>[]> {
  const reports: Record<string, unknown>[] = []
  let finish = (): void => {}
  const reported = new Promise<void>((resolve) => { finish = resolve })
  const http = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://page').pathname
    if (request.method === 'POST') {
      void request.toArray().then((chunks: Buffer[]) => {
        reports.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>)
        response.end()
        if (reports.length === count || 'error' in (reports[0] ?? {})) finish()
      })
    } else if (path === '/') {
      response.setHeader('content-type', 'text/html').end(page())
    } else {
      readFile(new URL(`.${path}`, DIST)).then(
        (bytes) => response.setHeader('content-type', 'text/javascript').end(bytes),
        () => response.writeHead(404).end(),
      )
    }
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => { http.closeAllConnections(); http.close() })
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  place.environment['CHATD_LISTEN_ORIGINS'] = origin
  await place.start('ws')

  const profile = place.path('profile')
  // Containers have no sandbox to give, and the page is ours.
  const chromium = spawn(browser ?? '', ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`, '--remote-debugging-port=0', origin], { stdio: 'ignore' })
  t.after(async () => {
    const ended = once(chromium, 'exit')
    chromium.kill('SIGTERM')
    await ended
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  })
  await reported
  return reports
}

test('a page sends from Chromium, and goes on from IndexedDB after a reload', options, async (t) => {
  const place = await Place.make(t)
  await place.addUsers('alice', 'bob')
  const reports = await runPage(t, place, () => talkingPage(place.url('ws')), 2)
  assert.deepEqual(reports, [
    { isFirst: true, resume: 'fresh', seq: 1, clientId: reports[0]?.['clientId'], tail: 1 },
    { isFirst: false, resume: 'resumed', seq: 2, clientId: Number(reports[0]?.['clientId']) + 1, tail: 2 },
  ])
  assert.deepEqual((await place.chat('recv', 'bob', ['--json', '--count', '2', '--timeout', TIMEOUT_SECONDS], { scheme: 'ws' }).finishJson<MessageJson>()).map(({ text }) => text), ['first', 'after the reload'])
})

test('[BLB-21] a page of another origin uploads a file from Chromium, sends it, and downloads it again', options, async (t) => {
  const place = await Place.make(t)
  await place.addUsers('alice', 'bob')
  const reports = await runPage(t, place, () => filePage(place.url('ws')), 1)
  assert.deepEqual(reports, [{ name: 'beach.bin', size: 1_500_000, isSame: true, hasSteps: true }])
})
