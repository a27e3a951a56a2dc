/**
 * Runs the reference client in headless Chromium: one page with several frames, each an adapter that dials in.
 *
 *     bin/chat-conformance client --dial-in -- node dist/conformance/adapters/browser.js
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const dist = new URL('../../', import.meta.url)
const frames = 8

/** Path of Chromium; undefined: it is not installed. */
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

const outerPage = `<!doctype html><meta charset="utf-8"><title>chat-conformance</title><script type="module">
  for (let name = 1; name <= ${String(frames)}; name++) {
    const frame = document.createElement('iframe')
    frame.src = '/frame.html' + location.hash + '/' + name
    document.body.append(frame)
  }
</script>`

const innerPage = '<!doctype html><meta charset="utf-8"><title>adapter</title><script type="module" src="/conformance/adapters/browser-page.js"></script>'

/** Serves the pages, and the compiled files that they load. Returns the origin. */
function serve(): Promise<string> {
  const http = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://page').pathname
    const page = path === '/' ? outerPage : path === '/frame.html' ? innerPage : null
    if (page !== null) response.setHeader('content-type', 'text/html').end(page)
    else {
      // A frame is loaded anew for each kill; what it loads stays the same.
      readFile(new URL(`.${path}`, dist)).then(
        (bytes) => response.writeHead(200, { 'content-type': 'text/javascript', 'cache-control': 'max-age=3600' }).end(bytes),
        () => response.writeHead(404).end(),
      )
    }
  })
  return new Promise((resolve) => {
    http.listen(0, '127.0.0.1', () => { resolve(`http://127.0.0.1:${String((http.address() as AddressInfo).port)}`) })
  })
}

const browser = findBrowser()
const url = process.env['CHAT_CONFORMANCE_URL']
if (browser === undefined || url === undefined) {
  process.stderr.write(browser === undefined ? 'browser.js: there is no Chromium here\n' : 'browser.js: to be run by chat-conformance client --dial-in\n')
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'chat-conformance-browser-'))
// Arguments of a process can be read by all users of the machine, this file by none but ours: it has the secret of the address.
const startPage = join(folder, 'start.html')
writeFileSync(startPage, `<!doctype html><meta http-equiv="refresh" content="0;url=${await serve()}/#${url}">`, { mode: 0o600 })
const chromium = spawn(browser, [
  // Containers have no sandbox to give, and the page is ours.
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--user-data-dir=${join(folder, 'profile')}`, '--remote-debugging-port=0', `file://${startPage}`,
], { stdio: 'ignore' })

function leave(code: number): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  process.exit(code)
}
chromium.on('error', () => { leave(1) })
chromium.on('exit', () => { leave(1) })
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => { chromium.kill('SIGTERM') })
