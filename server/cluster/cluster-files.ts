/** What nodes prove to each other who they are with, from the files that the configuration names. */
import { hkdfSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError } from '../config/config.js'
import { readOwnFile } from '../config/own-file.js'
import type { Config } from '../config/settings.js'
import { SECRET_BYTES_MIN } from '../link/handshake.js'
import { parseLinkAddress } from '../link/link-address.js'
import type { LinkTls } from '../link/link-sockets.js'
import type { ServerSecret } from '../session/server-secret.js'

const KEY_BYTES = 32

export interface ClusterSecrets {
  readonly link: Uint8Array
  /** The same at every node, so that each knows the others' URLs, and strangers see the same challenge wherever they ask. */
  readonly server: ServerSecret
}

/** Throws ConfigError. Both keys are derived from the one secret (HKDF, RFC 5869), which is used for nothing itself. */
export function readClusterSecrets({ cluster, auth }: Config): ClusterSecrets {
  const secret = Buffer.from(readOwnFile('cluster.secretFile', cluster.secretFile).toString('latin1').trim(), 'latin1')
  if (secret.length < SECRET_BYTES_MIN) {
    throw new ConfigError(`cluster.secretFile ${cluster.secretFile} has fewer than ${String(SECRET_BYTES_MIN)} bytes: make one with chatd cluster secret`)
  }
  const derive = (purpose: string): Uint8Array => new Uint8Array(hkdfSync('sha256', secret, cluster.name, `chatd ${purpose}`, KEY_BYTES))
  return { link: derive('link'), server: { key: derive('server secret'), iterations: auth.scramIterations } }
}

/** null: links are not over TLS. Throws ConfigError. */
export function readLinkTls({ cluster }: Config): LinkTls | null {
  if (parseLinkAddress(cluster.link)?.kind !== 'tls' && parseLinkAddress(cluster.linkAddress)?.kind !== 'tls') return null
  return { cert: readPem('cluster.tlsCertificate', cluster.tlsCertificate), key: readPem('cluster.tlsKey', cluster.tlsKey), ca: readPem('cluster.tlsCa', cluster.tlsCa) }
}

function readPem(setting: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`can't read ${setting} ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}
