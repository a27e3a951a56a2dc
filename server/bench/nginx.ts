/** nginx that serves a folder: the measure for downloads. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../testing/free-port.js'

const START_MS = 10_000

/** One worker process, as the server it is compared with has; sendfile, no log. */
function configuration(directory: string, port: number): string {
  // The folder is for its maker alone, whom the workers have to be.
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  return `${user}worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server { listen 127.0.0.1:${port}; location / { root ${directory}/files; } }
}
`
}

export class Nginx {
  readonly port: number
  readonly #directory: string
  readonly #child: ChildProcess

  private constructor(port: number, directory: string, child: ChildProcess) {
    this.port = port
    this.#directory = directory
    this.#child = child
    process.on('exit', () => { this.#child.kill('SIGTERM') })
  }

  /** Serves `files` by their names; null where there is no nginx on this machine. */
  static async start(files: ReadonlyMap<string, Uint8Array>): Promise<Nginx | null> {
    const directory = mkdtempSync(join(tmpdir(), 'chatd-bench-nginx-'))
    const port = await freePort()
    mkdirSync(join(directory, 'files'))
    for (const [name, bytes] of files) writeFileSync(join(directory, 'files', name), bytes)
    writeFileSync(join(directory, 'nginx.conf'), configuration(directory, port))
    const child = spawn('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf'), '-g', 'daemon off;'], { stdio: ['ignore', 'ignore', 'inherit'] })
    const failed = await Promise.race([once(child, 'error').then(() => true), answers(port).then(() => false)])
    if (!failed) return new Nginx(port, directory, child)
    rmSync(directory, { recursive: true, force: true })
    return null
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exited
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

async function answers(port: number): Promise<void> {
  for (const endMs = Date.now() + START_MS; Date.now() < endMs;) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false)
    socket.destroy()
    if (isOpen) return
    await sleep(50)
  }
  throw new Error('nginx does not answer')
}
