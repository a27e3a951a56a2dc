/**
 * Who may import whom. Project references are transitive, so the compiler alone would let `bin`'s rights leak downwards; this test
 * walks the imports of every source file and holds them against one table.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix, relative, sep } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Paths below the root that a folder may import from, itself included. */
const allowedFolders: Readonly<Record<string, readonly string[]>> = {
  protocol: ['protocol/', 'spec/'],
  storage: ['storage/'],
  server: ['server/', 'protocol/', 'storage/'],
  // The suite writes its own bytes: sharing the codec would hide the codec's bugs. Only the registry's constants are common.
  conformance: ['conformance/', 'spec/', 'protocol/generated/'],
  bin: ['bin/', 'server/', 'protocol/', 'storage/', 'conformance/'],
}

/** What is tested is no part of the suite: adapters, clients and servers with a planted bug. Beside themselves tests of `bin/` alone use them. */
const underTest = /^conformance\/(adapters|mutants)\//

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
const runtimePackages = new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
const developmentPackages = new Set(Object.keys(manifest.devDependencies ?? {}))
const builtins = new Set(builtinModules)

function isTest(file: string): boolean {
  return file.endsWith('.test.ts') || file.includes('/testing/')
}

/** protocol/ runs in browsers; exempt are tests, the generator (a build step) and the client's files named for node. */
function mayUseNode(file: string): boolean {
  if (!file.startsWith('protocol/') || isTest(file) || file.startsWith('protocol/generate/')) return true
  return file.startsWith('protocol/client/') && /(^|[-.])node([-.]|$)/.test(posix.basename(file, '.ts'))
}

/** The shard core, and the services within it, are deterministic: no sockets, no disk but through the engine they are given, no threads. */
function isOutsideShardCore(file: string, specifier: string): boolean {
  if (!/^server\/(shard|groups|operations|expiry|presence|profiles|accounts|search|holdings|channels)\//.test(file) || isTest(file)) return false
  // What these do follows from what they are given.
  if (!specifier.startsWith('.')) return !['node:crypto', 'node:assert/strict', 'node:buffer'].includes(specifier)
  return !/^(server\/((shard|groups|operations|expiry|presence|profiles|accounts|search|holdings|channels|router)\/|(blobs\/blob-router|repeated-lines)\.js$)|(storage|protocol)\/)/.test(posix.join(posix.dirname(file), specifier))
}

/** Every module a source names: static, type-only, dynamic and re-exported imports, and workers by URL. */
function importsOf(text: string): string[] {
  const found = ts.preProcessFile(text, true, true).importedFiles.map((imported) => imported.fileName)
  for (const match of text.matchAll(/new URL\(\s*['"](\.[^'"]+\.js)['"],\s*import\.meta\.url/g)) found.push(match[1]!)
  return found
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

/** What is wrong with one import, or null. `file` is relative to the root, with slashes. */
function judge(file: string, specifier: string): string | null {
  const folder = file.slice(0, file.indexOf('/'))
  if (isOutsideShardCore(file, specifier)) return `is shard core and may not import ${specifier}`
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier)
    if (underTest.test(file) && target.startsWith('protocol/')) return null
    if (underTest.test(target) && !underTest.test(file) && !file.startsWith('bin/test/')) return `may not import ${target}`
    return allowedFolders[folder]?.some((allowed) => target.startsWith(allowed)) === true ? null : `may not import ${target}`
  }
  if (specifier.startsWith('node:')) return mayUseNode(file) ? null : `may not import ${specifier}`
  if (builtins.has(specifier)) return `imports ${specifier} without node:`
  const name = packageOf(specifier)
  if (name === 'chatd') return 'imports its own package by name, which hides the folder'
  if (runtimePackages.has(name) || (isTest(file) && developmentPackages.has(name))) return null
  return `imports ${name}, which is not ${isTest(file) ? 'a dependency' : 'a runtime dependency'}`
}

const urlName = 'URL' // keeps the planted text from being found in this very file

function violations(sources: Iterable<readonly [file: string, text: string]>): string[] {
  const found: string[] = []
  for (const [file, text] of sources) {
    for (const specifier of importsOf(text)) {
      const fault = judge(file, specifier)
      if (fault !== null) found.push(`${file} ${fault}`)
    }
  }
  return found
}

function* sourceFiles(directory: string): Generator<readonly [file: string, text: string]> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* sourceFiles(path)
    else if (entry.name.endsWith('.ts')) yield [relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8')]
  }
}

test('every import keeps to the table of who may import whom', () => {
  const sources = Object.keys(allowedFolders).flatMap((folder) => [...sourceFiles(join(root, folder))])
  assert.ok(sources.length > 5, 'the walk found the sources')
  assert.deepEqual(violations(sources), [])
})

test('planted violations of the table are found', () => {
  const planted: [string, string, string][] = [
    ['protocol/planted.ts', "import { Engine } from '../storage/engine.js'", 'may not import storage/engine.js'],
    ['protocol/planted.ts', "import type { Router } from '../server/router/router.js'", 'may not import server/router/router.js'],
    ['protocol/planted.ts', "export * from '../storage/engine.js'", 'may not import storage/engine.js'],
    ['protocol/planted.ts', "import { connect } from 'node:net'", 'may not import node:net'],
    ['protocol/client/client.ts', "const net = await import('node:net')", 'may not import node:net'],
    ['protocol/client/snode.ts', "import 'node:net'", 'may not import node:net'],
    ['storage/planted.ts', "import '../protocol/generated/registry.js'", 'may not import protocol/generated/registry.js'],
    ['server/planted.ts', "import '../conformance/runner.js'", 'may not import conformance/runner.js'],
    ['server/planted.ts', `new Worker(new ${urlName}('../bin/worker.js', import.meta.url))`, 'may not import bin/worker.js'],
    ['server/planted.ts', "import 'fast-check'", 'imports fast-check, which is not a runtime dependency'],
    ['server/planted.ts', "import 'fs'", 'imports fs without node:'],
    ['server/shard/planted.ts', "import 'node:fs'", 'is shard core and may not import node:fs'],
    ['server/shard/planted.ts', "import '../connection/connection.js'", 'is shard core and may not import ../connection/connection.js'],
    ['server/groups/planted.ts', "import '../session/session.js'", 'is shard core and may not import ../session/session.js'],
    ['server/operations/planted.ts', "import '../session/session.js'", 'is shard core and may not import ../session/session.js'],
    ['server/presence/planted.ts', "import '../session/session.js'", 'is shard core and may not import ../session/session.js'],
    ['conformance/planted.ts', "import '../protocol/codec.js'", 'may not import protocol/codec.js'],
    ['conformance/planted.test.ts', "import '../server/run.js'", 'may not import server/run.js'],
    ['conformance/runner/planted.ts', "import '../../protocol/client/node.js'", 'may not import protocol/client/node.js'],
    ['conformance/runner/planted.ts', "import '../adapters/reference.js'", 'may not import conformance/adapters/reference.js'],
    ['conformance/adapters/planted.ts', "import '../../server/run.js'", 'may not import server/run.js'],
    ['bin/planted.ts', "import '../conformance/mutants/server/proxy.js'", 'may not import conformance/mutants/server/proxy.js'],
    ['bin/planted.ts', "import 'chatd/client'", 'imports its own package by name, which hides the folder'],
  ]
  for (const [file, text, fault] of planted) assert.deepEqual(violations([[file, text]]), [`${file} ${fault}`])
})

test('imports that the table allows pass', () => {
  const allowed: [string, string][] = [
    ['protocol/client/transport-node.ts', "import 'node:net'"],
    ['protocol/client/node.ts', "import 'ws'"],
    ['protocol/codec.test.ts', "import 'node:test'; import fc from 'fast-check'"],
    ['server/shard/shard.ts', "import '../../storage/engine.js'; import '../../protocol/codec.js'"],
    ['conformance/case.ts', "import '../protocol/generated/registry.js'"],
    ['conformance/adapters/reference.ts', "import '../../protocol/client/node.js'"],
    ['bin/chatd-cli/main.ts', "import '../../server/run.js'"],
  ]
  assert.deepEqual(violations(allowed), [])
})
