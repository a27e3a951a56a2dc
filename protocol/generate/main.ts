/** `npm run generate`: writes protocol/generated/ from spec/protocol.json. A project of its own, so that it compiles without its output. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { framesSource } from './codec.js'
import type { RegistryFile } from './registry-file.js'
import { registrySource } from './tables.js'

// From dist/protocol/generate/ up to the root of the package.
const root = new URL('../../../', import.meta.url)
const registry = JSON.parse(readFileSync(new URL('spec/protocol.json', root), 'utf8')) as RegistryFile
const target = new URL('protocol/generated/', root)

mkdirSync(target, { recursive: true })
writeFileSync(new URL('registry.ts', target), registrySource(registry))
writeFileSync(new URL('frames.ts', target), framesSource(registry))
