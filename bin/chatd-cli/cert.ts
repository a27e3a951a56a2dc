/** `chatd cert`: a self-signed certificate, for trying TLS. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { selfSigned } from '../../server/listeners/self-signed.js'
import { CommandFailure, EXIT } from './failure.js'

/** Writes chatd.crt and chatd.key, overwrites nothing, and prints the configuration that uses them. */
export function makeCertificate({ directory, hosts, days }: { directory: string, hosts: readonly string[], days: number }): void {
  const { certificate, key } = selfSigned(hosts, days, Date.now())
  const certificatePath = join(directory, 'chatd.crt')
  const keyPath = join(directory, 'chatd.key')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  writeNew(keyPath, key, 0o600)
  writeNew(certificatePath, certificate, 0o644)
  process.stdout.write(`[listen]
urls = ["tls://127.0.0.1:5323", "wss://127.0.0.1:5381"]
tlsCertificate = ${JSON.stringify(certificatePath)}
tlsKey = ${JSON.stringify(keyPath)}
`)
  process.stderr.write(`Put these lines into a file and start with \`chatd start --config FILE\`; clients trust it with \`chat --ca ${certificatePath}\`.\n`)
}

function writeNew(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const reason = code === 'EEXIST' ? `${path} exists: remove it, or choose another --out` : `can't write ${path} (${code ?? String(error)}): choose another --out`
    throw new CommandFailure(EXIT.failed, reason)
  }
}
