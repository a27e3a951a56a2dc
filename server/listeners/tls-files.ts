/** Certificate and key from PEM files, checked before a listener gets them. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError } from '../config/config.js'

export interface TlsFiles {
  readonly cert: string
  readonly key: string
  /** When the certificate stops being valid. */
  readonly validToMs: number
}

/** Reads and checks both files. Throws ConfigError: unreadable, no certificate, no key, a key of another certificate, expired. */
export function readTlsFiles(certificatePath: string, keyPath: string, nowMs: number): TlsFiles {
  const cert = read('listen.tlsCertificate', certificatePath)
  const key = read('listen.tlsKey', keyPath)
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
  } catch {
    throw new ConfigError(`listen.tlsCertificate: ${certificatePath} holds no PEM certificate: give the full chain, leaf first`)
  }
  try {
    if (!certificate.checkPrivateKey(createPrivateKey(key))) {
      throw new ConfigError(`listen.tlsKey: ${keyPath} is not the key of ${certificatePath}: give the pair that belongs together`)
    }
    createSecureContext({ cert, key })
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`listen.tlsKey: ${keyPath} can't be used: ${error instanceof Error ? error.message : String(error)}; give an unencrypted PEM key`)
  }
  const validToMs = Date.parse(certificate.validTo)
  if (validToMs < nowMs) {
    throw new ConfigError(`listen.tlsCertificate: ${certificatePath} expired on ${certificate.validTo}: renew it`)
  }
  return { cert, key, validToMs }
}

function read(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${name}: can't read ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}; give a readable PEM file`)
  }
}
