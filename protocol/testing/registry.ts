/** The registry as it is in the file, for tests that hold code against it. */
import { readFileSync } from 'node:fs'
import type { RegistryFile } from '../generate/registry-file.js'

/** Root of the package, from dist/protocol/testing/. */
export const packageRoot = new URL('../../../', import.meta.url)

export const registryText = readFileSync(new URL('spec/protocol.json', packageRoot), 'utf8')

export const registry = JSON.parse(registryText) as RegistryFile
