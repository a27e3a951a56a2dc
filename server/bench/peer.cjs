'use strict'
/**
 * chatd as a peer for benches that compare servers: how to configure and launch it, and the raw client to drive it with. The module
 * needs a built tree (npx tsc -b) and nothing else.
 *
 *     { name, port, driver, setup({ dir, users, port }) → { cmd, args } }     password of a user: 'pw-' + user
 */
const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const driver = require('./driver.cjs')

/** Another checkout's program can be measured by the same bench, to compare two versions in one sitting… */
const chatd = process.env.BENCH_CHATD ?? path.join(__dirname, '..', '..', 'bin', 'chatd')
/** …and on another runtime than the generator's. */
const node = process.env.BENCH_NODE ?? process.execPath
/** Clients come over TLS: `full`, with a whole handshake each time, or `resumed`, with the session of TLS that they had. '': over plain TCP. */
const security = process.env.BENCH_TLS ?? ''

/**
 * What a bench needs to be other than the defaults: no rates, since one device sends more than a person can; the least SCRAM
 * iterations, since a first login's cost is that of the chosen count; nothing counted by address, since all come from one; queues as
 * long as a scenario likes, and groups as large: other benches have 200 members beside the sender.
 */
function configuration({ dir, port, webPort, engine, shards }) {
  return `[data]
directory = ${JSON.stringify(path.join(dir, 'data'))}
engine = "${engine}"
${shards === 1 ? '' : `shards = ${shards}\n`}
[listen]
${security === '' ? '' : `tlsCertificate = ${JSON.stringify(path.join(dir, 'chatd.crt'))}\ntlsKey = ${JSON.stringify(path.join(dir, 'chatd.key'))}\n`}\
urls = ["${security === '' ? 'tcp' : 'tls'}://127.0.0.1:${port}"${webPort === 0 ? '' : `, "ws://127.0.0.1:${webPort}"`}]

[admin]
url = ""

[auth]
scramIterations = 4096
failuresBurst = 1000000

[limits]
connectionsByAddressMax = 10000000
openingByAddressMax = 10000000
openTimeoutMs = 60000
queueEntriesMax = 10000000
groupMembersMax = 1000

[rate]
messagesPerSecond = 0
bytesPerSecond = 0
queriesPerSecond = 0
strangerPerSecond = 0

[log]
level = "warn"
${webPort === 0 ? '' : '\n[blobs]\nquotaBytes = 0\nuploadsMax = 1000\nuploadBytesPerSecond = 0\n'}`
}

/** Writes configuration and accounts below `dir`; every user's device starts anew. */
function setup({ dir, users, port, webPort = 0, engine = process.env.BENCH_ENGINE ?? 'auto', shards = 1 }) {
  const config = path.join(dir, 'chatd.toml')
  fs.mkdirSync(dir, { recursive: true })
  fs.writeFileSync(config, configuration({ dir, port, webPort, engine, shards }))
  execFileSync(node, [chatd, 'user', 'import', '--config', config], {
    input: users.map((user) => `${user} pw-${user}\n`).join(''), stdio: ['pipe', 'ignore', 'inherit'],
  })
  driver.forget()
  if (security !== '') {
    execFileSync(node, [chatd, 'cert', '--out', dir], { stdio: ['ignore', 'ignore', 'inherit'] })
    driver.secure({ ca: fs.readFileSync(path.join(dir, 'chatd.crt')), resumes: security === 'resumed' })
  }
  return { cmd: node, args: [chatd, 'start', '--config', config] }
}

module.exports = { name: 'chatd', port: 15322, driver, setup }
