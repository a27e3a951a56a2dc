/** `new`: the beginning of an adapter. */
import { copyFileSync, constants } from 'node:fs'
import { extname } from 'node:path'
import { rootFolder } from '../spec/registry.js'
import { UsageError } from './arguments.js'

const runners: Readonly<Record<string, string>> = { '.py': 'python3', '.ts': 'node' }

/** Writes the template into the file that is named, and returns what to do next. Throws a UsageError. */
export function newAdapter([file, ...more]: readonly string[]): string {
  if (file === undefined || more.length > 0) throw new UsageError('new takes the name of one file')
  const runner = runners[extname(file)]
  if (runner === undefined) throw new UsageError(`there are templates for .py and .ts, not for ${file}`)
  try {
    copyFileSync(`${rootFolder}conformance/templates/adapter${extname(file)}`, file, constants.COPYFILE_EXCL)
  } catch (error) {
    throw new UsageError(`${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`)
  }
  return `${file} is an adapter in which all is still to do. The first case tells what is next:

  chat-conformance client state/messages/a-message-comes --trace -- ${runner} ${file}
  chat-conformance explain state/messages/a-message-comes
`
}
