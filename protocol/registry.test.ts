import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { AnySchema } from 'ajv/dist/2020.js'
import { framesSource } from './generate/codec.js'
import { registrySource } from './generate/tables.js'
import { ERROR, ERRORS, FRAME, FRAMES, LIMIT, MARK, MECHANISMS, RESUME, TOKENS } from './generated/registry.js'
import { packageRoot, registry, registryText } from './testing/registry.js'
import { vectorFiles, vectorText } from './testing/vector-files.js'
import { vectorFileText } from './testing/vectors.js'

function textOf(path: string): string {
  return readFileSync(new URL(path, packageRoot), 'utf8')
}

function schema(path: string): AnySchema {
  return JSON.parse(textOf(path)) as AnySchema
}

function assertUnique(values: readonly (string | number)[], what: string): void {
  assert.deepEqual(values.filter((value, index) => values.indexOf(value) !== index), [], `${what} given twice`)
}

test('[FRM-1] the generated files are what the registry makes', () => {
  assert.equal(textOf('protocol/generated/registry.ts'), registrySource(registry), 'run npm run generate')
  assert.equal(textOf('protocol/generated/frames.ts'), framesSource(registry), 'run npm run generate')
})

test('[FRM-1] the committed vectors are what their cases make', () => {
  for (const [name, content] of Object.entries(vectorFiles)) assert.equal(vectorFileText(name), vectorText(content), `${name}: run npm run vectors`)
})

test('[FRM-1] the registry keeps to its schema, and a damaged one does not', () => {
  const validate = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, strictRequired: false }).compile(schema('spec/protocol.schema.json'))
  assert.ok(validate(registry), JSON.stringify(validate.errors))
  const damages: ((copy: Record<string, unknown[]>) => void)[] = [
    (copy) => delete copy['errors'],
    (copy) => copy['frames']!.push({ name: 'Bad', type: 2, from: 'client', phase: 'start', doc: 'x', fields: [] }),
    (copy) => copy['frames']!.push({ name: 'bad', type: 2, from: 'nobody', phase: 'start', doc: 'x', fields: [] }),
    (copy) => copy['frames']!.push({ name: 'bad', type: 2, from: 'both', phase: 'any', doc: 'x', fields: [{ name: 'a', type: 'float', doc: 'x' }] }),
    (copy) => copy['tokens']!.push('body'),
    (copy) => copy['tokens']!.push('two words'),
    (copy) => copy['requirements']!.push({ id: 'X-1', level: 'MUST', text: 'x' }),
    (copy) => copy['errors']!.push({ code: 250, name: 'bad', scope: 'stanza', class: 'refused', retryable: false, doc: 'x' }),
    (copy) => copy['errors']!.push({ code: 450, name: 'bad', scope: 'stanza', class: 'refused', retryable: true, doc: 'x' }),
    (copy) => copy['limits']!.push({ name: 'bad', value: -1, unit: '', doc: 'x' }),
    (copy) => { copy['more'] = [] },
  ]
  for (const damage of damages) {
    const copy = JSON.parse(registryText) as Record<string, unknown[]>
    damage(copy)
    assert.ok(!validate(copy), damage.toString())
  }
})

test('[FRM-1] the vectors keep to their schemas', () => {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false })
  ajv.addSchema(schema('conformance/vectors/schema.json'), 'schema.json')
  const ids = new Set(registry.requirements.map((requirement) => requirement.id))
  for (const name of [...Object.keys(vectorFiles), 'scram.json']) {
    const file = JSON.parse(vectorFileText(name)) as Record<string, unknown>
    const validate = ajv.getSchema(`schema.json#/$defs/${name.replace('.json', '')}`)
    assert.ok(validate, name)
    assert.ok(validate(file), `${name}: ${JSON.stringify(validate.errors?.slice(0, 3))}`)
    assert.ok(!validate({ ...file, more: 1 }), name)
    for (const list of Object.values(file).filter((value) => Array.isArray(value))) {
      const vectors = list as { name: string; requirement?: string }[]
      assertUnique(vectors.map((vector) => vector.name), `${name}: names`)
      for (const { requirement } of vectors) assert.ok(requirement === undefined || ids.has(requirement), `${name}: ${requirement}`)
    }
  }
})

test('[FRM-1] names and numbers of the registry are unique, and what it refers to exists', () => {
  const { frames, errors, limits, tokens, requirements, extensions } = registry
  assertUnique(frames.map((frame) => frame.name), 'frames')
  assertUnique(frames.map((frame) => frame.type), 'frame types')
  assertUnique(errors.map((error) => error.name), 'errors')
  assertUnique(errors.map((error) => error.code), 'error codes')
  assertUnique(limits.map((limit) => limit.name), 'limits')
  assertUnique(tokens, 'tokens')
  assertUnique(requirements.map((requirement) => requirement.id), 'requirements')
  assertUnique(extensions.map((extension) => extension.key), 'extensions')
  for (const frame of frames) {
    assertUnique(frame.fields.map((field) => field.name), `fields of ${frame.name}`)
    assertUnique(frame.fields.map((field) => field.xml ?? field.name), `XML names of ${frame.name}`)
  }
  for (const { advertised } of limits) {
    if (advertised === undefined) continue
    const [frame, field] = advertised.split('.')
    assert.ok(frames.find((spec) => spec.name === frame)?.fields.some((spec) => spec.name === field), advertised)
  }
})

test('[FRM-1] the tables say what the registry says', () => {
  assert.equal(FRAMES.size, registry.frames.length)
  for (const frame of registry.frames) {
    assert.equal((FRAME as Readonly<Record<string, number>>)[frame.name], frame.type)
    const info = FRAMES.get(frame.type)
    assert.deepEqual(info?.fields.map((field) => [field.name, field.type]), frame.fields.map((field) => [field.name, field.type]))
    assert.deepEqual([info?.from, info?.phase, info?.stanza], [frame.from, frame.phase, frame.stanza ?? false])
  }
  assert.equal(ERRORS.size, registry.errors.length)
  assert.deepEqual([...ERRORS.values()], registry.errors.map((error) => ({ ...error, reserved: error.reserved ?? null })))
  assert.deepEqual(Object.values(ERROR), registry.errors.map((error) => error.code))
  assert.deepEqual(Object.entries(LIMIT), registry.limits.map((limit) => [limit.name, limit.value]))
  assert.deepEqual([...TOKENS], registry.tokens)
  assert.deepEqual([...MECHANISMS], registry.mechanisms)
  assert.deepEqual([MARK.delivered, MARK.read, RESUME.fresh, RESUME.resumed, RESUME.tooOld], [1, 2, 0, 1, 2])
})

test('[FRM-1] the generator refuses a registry that it does not understand', () => {
  const field = { name: 'a', type: 'float', doc: 'x' }
  const frame = { name: 'bad', type: 2, from: 'both', phase: 'any', doc: 'x', fields: [field] } as const
  assert.throws(() => framesSource({ ...registry, frames: [frame] }), /unknown type/)
  assert.throws(() => framesSource({ ...registry, frames: [{ ...frame, type: 0x4000, fields: [] }] }), /too large/)
  const values = (read: number) => ({ ...frame, fields: [{ name: 'mark', type: 'uint', doc: 'x', values: { read } }] })
  assert.throws(() => registrySource({ ...registry, frames: [values(1), values(2)] }), /disagree/)
})

test('[FRM-1] the public surface of the package is there', async () => {
  const manifest = JSON.parse(textOf('package.json')) as { exports: Record<string, { types: string; default: string }> }
  const entry = manifest.exports['./protocol']!
  assert.ok(existsSync(new URL(entry.types, packageRoot)))
  const surface = await import(new URL(entry.default, packageRoot).href) as Record<string, unknown>
  for (const name of registry.frames.map((frame) => frame.name)) {
    assert.equal(typeof surface[`encode${name.charAt(0).toUpperCase()}${name.slice(1)}`], 'function', name)
  }
})
