/**
 * Keys of an S3 service: from a file that its owner alone can read, or from the variables that every S3 program knows. Never from the
 * configuration or the arguments, which are printed, logged, and seen by other users of the machine.
 */
import { ConfigError } from './config.js'
import { readOwnFile } from './own-file.js'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Throws ConfigError, which names no secret. `file`: empty for the environment. */
export function readS3Credentials(file: string, environment: Readonly<Record<string, string | undefined>>): S3Credentials {
  return file === '' ? fromEnvironment(environment) : fromFile(file)
}

function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): S3Credentials {
  const accessKeyId = environment['AWS_ACCESS_KEY_ID'] ?? ''
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY'] ?? ''
  const sessionToken = environment['AWS_SESSION_TOKEN'] ?? ''
  if (accessKeyId === '' || secretAccessKey === '') {
    throw new ConfigError('blobs.store is s3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or name a file with blobs.s3CredentialsFile')
  }
  return { accessKeyId, secretAccessKey, ...sessionToken === '' ? {} : { sessionToken } }
}

function fromFile(file: string): S3Credentials {
  const values = new Map<string, string>()
  let number = 0
  for (const line of readOwnFile('blobs.s3CredentialsFile', file).toString('utf8').split(/\r?\n/)) {
    number++
    const text = line.trim()
    // Other programs write sections and comments into such files.
    if (text === '' || text.startsWith('#') || text.startsWith(';') || /^\[.*\]$/.test(text)) continue
    const match = /^(?:aws_)?([a-z_]+)\s*=\s*"?([^"\s]*)"?$/.exec(text)
    if (match === null) throw new ConfigError(`${file}:${String(number)}: write one NAME = VALUE on each line`)
    values.set(match[1]!, match[2]!)
  }
  const accessKeyId = values.get('access_key_id') ?? ''
  const secretAccessKey = values.get('secret_access_key') ?? ''
  const sessionToken = values.get('session_token') ?? ''
  if (accessKeyId === '' || secretAccessKey === '') throw new ConfigError(`${file}: access_key_id and secret_access_key have to be there`)
  return { accessKeyId, secretAccessKey, ...sessionToken === '' ? {} : { sessionToken } }
}
