/** Files that the command line names: the password and the certificate to trust. */
import { readFile } from 'node:fs/promises'
import { ChatFailure, EXIT } from './failure.js'

/** The password in the file: its first and only line, without the line end. Throws a ChatFailure. */
export async function readPassword(file: string): Promise<string> {
  const content = await read(file, '--password-file')
  const password = content.replace(/\r?\n$/, '')
  if (password === '') throw new ChatFailure(EXIT.failed, `the password file ${file} is empty: write the password into it`)
  if (password.includes('\n')) throw new ChatFailure(EXIT.failed, `the password file ${file} has more than one line: leave only the password`)
  return password
}

/** The PEM text of the file. Throws a ChatFailure. */
export async function readCertificate(file: string): Promise<string> {
  const content = await read(file, '--ca')
  if (!content.includes('-----BEGIN CERTIFICATE-----')) throw new ChatFailure(EXIT.failed, `${file} is no PEM certificate: give --ca the file that \`chatd cert\` made`)
  return content
}

async function read(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new ChatFailure(EXIT.failed, `can't read ${option} ${file} (${code}): check the path and its permissions`, { cause: error })
  }
}
