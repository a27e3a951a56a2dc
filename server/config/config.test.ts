import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ConfigError, configOf, loadConfig, type LoadedConfig } from './config.js'
import { printConfig } from './print.js'
import { allSettings, SETTINGS } from './settings.js'

interface Input { toml?: string, environment?: Record<string, string>, flags?: Record<string, string> }

function load(t: TestContext, { toml, environment = {}, flags = {} }: Input): LoadedConfig {
  let file: string | null = null
  if (toml !== undefined) {
    const directory = mkdtempSync(join(tmpdir(), 'chatd-config-'))
    t.after(() => rmSync(directory, { recursive: true }))
    file = join(directory, 'chatd.toml')
    writeFileSync(file, toml)
  }
  return loadConfig({ file, environment, flags: new Map(Object.entries(flags)) })
}

function refuses(t: TestContext, input: Input, message: RegExp): void {
  assert.throws(() => load(t, input), (error) => {
    assert.ok(error instanceof ConfigError)
    assert.match(error.message, message)
    assert.doesNotMatch(error.message, /\n/)
    return true
  })
}

test('a flag beats the environment, the environment the file, the file the default', (t) => {
  const toml = '[limits]\ndevicesMax = 3\nqueriesMax = 9\nwindowMax = 300\n'
  const environment = { CHATD_LIMITS_DEVICES_MAX: '4', CHATD_LIMITS_QUERIES_MAX: '10', PATH: '/bin', CHATD_BENCH: '1' }
  const { config, sources } = load(t, { toml, environment, flags: { 'limits.devicesMax': '5' } })
  assert.deepEqual([config.limits.devicesMax, config.limits.queriesMax, config.limits.windowMax, config.limits.windowDefault], [5, 10, 300, 256])
  assert.deepEqual(['devicesMax', 'queriesMax', 'windowMax', 'windowDefault'].map((key) => sources.get(`limits.${key}`)), ['flag', 'environment', 'file', 'default'])
})

test('is frozen all the way down', () => {
  const config = configOf({})
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.limits) && Object.isFrozen(config.listen.urls))
})

test('refuses unknown keys wherever they are, and names the nearest', (t) => {
  refuses(t, { toml: '[limits]\ndeviceMax = 3\n' }, /unknown key "limits\.deviceMax"; did you mean limits\.devicesMax\?/)
  refuses(t, { toml: '[limit]\ndevicesMax = 3\n' }, /unknown key "limit"; did you mean limits\?/)
  refuses(t, { toml: 'devicesMax = 3\n' }, /unknown key "devicesMax"/)
  refuses(t, { environment: { CHATD_LIMITS_DEVICE_MAX: '3' } }, /did you mean CHATD_LIMITS_DEVICES_MAX\?/)
  refuses(t, { flags: { 'xyz': '3' } }, /unknown key "xyz"; chatd config prints all/)
})

test('refuses each number below its minimum, above its maximum, or that is none', (t) => {
  for (const { name, setting } of allSettings()) {
    if (setting.type !== 'integer') continue
    assert.ok(Number(setting.default) >= setting.min && Number(setting.default) <= setting.max, name)
    const bounds = new RegExp(`^${name.replace('.', '\\.')} is .*: give a whole number from ${String(setting.min)} to ${String(setting.max)}`)
    for (const value of [setting.min - 1, setting.max + 1, 'many', 1.5, '']) refuses(t, { flags: { [name]: String(value) } }, bounds)
  }
})

test('refuses values of another type or choice', (t) => {
  refuses(t, { toml: '[listen]\nallowPlaintext = "yes"\n' }, /listen\.allowPlaintext is "yes": give true or false/)
  refuses(t, { toml: '[listen]\nurls = "tcp:\/\/127.0.0.1"\n' }, /listen\.urls is .*: give a list/)
  refuses(t, { toml: '[log]\nlevel = "loud"\n' }, /log\.level is "loud": give one of trace, debug/)
  refuses(t, { toml: 'limits = 3\n' }, /limits has to be a table/)
  refuses(t, { toml: '[limits]\ndevicesMax = 3n\n' }, /chatd\.toml:2:\d+: .*; mend this line/)
})

test('says which file can\'t be read', () => {
  assert.throws(() => loadConfig({ file: '/nowhere/chatd.toml', environment: {}, flags: new Map() }), /can't read the configuration file \/nowhere\/chatd\.toml: ENOENT/)
})

test('refuses plaintext beyond loopback unless told in so many words', (t) => {
  for (const url of ['tcp://0.0.0.0:5322', 'ws://[::]:5380', 'tcp://192.0.2.1', 'ws://chat.example', 'tcp://127.example:1']) {
    refuses(t, { flags: { 'listen.urls': url } }, /plaintext beyond loopback/)
    load(t, { flags: { 'listen.urls': url, 'listen.allowPlaintext': 'true' } })
  }
  for (const url of ['tcp://127.0.0.1:0', 'ws://localhost', 'tcp://[::1]:1', 'ws://127.9.9.9:1']) load(t, { flags: { 'listen.urls': url } })
})

test('refuses listeners it can\'t make sense of, and TLS without certificate', (t) => {
  for (const url of ['http://127.0.0.1', 'tcp://', 'tcp://127.0.0.1:70000', 'tcp://u@127.0.0.1', 'ws://127.0.0.1/x', '127.0.0.1:1', 'tcp://[::1']) {
    refuses(t, { flags: { 'listen.urls': url } }, /is no listener: write tcp:/)
  }
  refuses(t, { flags: { 'listen.urls': 'tls://0.0.0.0' } }, /needs listen\.tlsCertificate and listen\.tlsKey.*chatd cert/)
  refuses(t, { flags: { 'listen.urls': '' } }, /listen\.urls is empty/)
  refuses(t, { flags: { 'admin.url': 'https://127.0.0.1' } }, /admin\.url/)
  load(t, { flags: { 'admin.url': '' } })
})

test('refuses blobs that nobody could reach or store', (t) => {
  for (const url of ['chat.example', 'wss://chat.example', 'https://chat.example/x', 'https://u:p@chat.example', 'https://chat.example?x', 'https://']) {
    refuses(t, { flags: { 'blobs.publicUrl': url } }, /blobs\.publicUrl: .* is no origin/)
  }
  for (const url of ['https://chat.example', 'http://127.0.0.1:5380/', 'https://[::1]:1']) load(t, { flags: { 'blobs.publicUrl': url } })
  refuses(t, { flags: { 'blobs.types': '' } }, /blobs\.types is empty/)
  for (const types of ['image', '.jpg', 'image/*,pdf', 'image/jp*', '*/png', 'image/']) refuses(t, { flags: { 'blobs.types': types } }, /blobs\.types: .* is no media type: write "image\/jpeg"/)
  for (const types of ['*', '*/*', 'image/*,Application/PDF', 'image/svg+xml,application/vnd.ms-excel']) load(t, { flags: { 'blobs.types': types } })
  refuses(t, { flags: { 'blobs.store': 's3' } }, /blobs\.s3Endpoint and blobs\.s3Bucket/)
  refuses(t, { flags: { 'cluster.sharedFiles': 'true' } }, /cluster\.sharedFiles.*give blobs\.directory/)
  refuses(t, { flags: { 'blobs.store': 'tape' } }, /file, s3/)
  load(t, { flags: { 'blobs.store': 's3', 'blobs.enabled': 'false' } })
  load(t, { flags: { 'cluster.sharedFiles': 'true', 'blobs.enabled': 'false' } })
  load(t, { flags: { 'blobs.store': 's3', 'blobs.s3Endpoint': 'https://s3.example', 'blobs.s3Bucket': 'chat' } })
})

test('refuses a cluster without names, secret, a Redis or a link that others can use', (t) => {
  const node = { 'cluster.redis': 'redis://127.0.0.1:6379', 'cluster.node': 'n1', 'cluster.secretFile': 'secret' }
  const wrong: [Record<string, string>, RegExp][] = [
    [{ 'cluster.redis': 'http://127.0.0.1' }, /cluster\.redis: .* is no redis:/],
    [{ 'cluster.redis': 'redis://user:pw@127.0.0.1' }, /cluster\.redis: redis:\/\/…@127\.0\.0\.1 is no redis:/],
    [{ 'cluster.node': '' }, /cluster\.node is ""/],
    [{ 'cluster.node': 'a b' }, /cluster\.node/],
    [{ 'cluster.name': '{x}' }, /cluster\.name/],
    [{ 'cluster.secretFile': '' }, /cluster\.secretFile is empty.*chatd cluster secret/],
    [{ 'cluster.link': 'http://127.0.0.1:1' }, /cluster\.link: .* is no address of a link/],
    [{ 'cluster.link': 'tcp://0.0.0.0:5340' }, /plaintext beyond loopback.*allowPlaintextLinks/],
    [{ 'cluster.linkAddress': 'tcp://10.0.0.1:5340' }, /cluster\.linkAddress: .*plaintext beyond loopback/],
    [{ 'cluster.link': 'tls://0.0.0.0:5340' }, /needs cluster\.tlsCertificate, cluster\.tlsKey and cluster\.tlsCa/],
    [{ 'cluster.renewEveryMs': '2000' }, /one lost renewal would lose the shard/],
    [{ 'cluster.redis': 'redis://a,redis://b', 'cluster.redisReplicas': '1' }, /redisReplicas can't be had with a Redis Cluster/],
    [{ 'data.shards': '2', 'listen.workers': '2' }, /several shards has no worker processes/],
  ]
  for (const [change, message] of wrong) refuses(t, { flags: { ...node, ...change } }, message)
  load(t, { flags: node })
  load(t, { flags: { ...node, 'cluster.link': 'tcp://10.0.0.1:5340', 'cluster.allowPlaintextLinks': 'true' } })
  load(t, { flags: { ...node, 'cluster.link': 'unix:/run/chatd/link' } })
  load(t, { flags: { ...node, 'cluster.redis': 'redis://a,redis://b', 'cluster.redisReplicas': '1', 'cluster.sentinelMaster': 'mymaster' } })
  // Of a server that stands alone nothing of it is looked at.
  load(t, { flags: { 'cluster.node': 'a b' } })
  load(t, { flags: { ...node, 'data.shards': '4' } })
  load(t, { flags: { 'data.shards': '2' } })
})

test('the page on clusters names every setting of theirs, and no other', () => {
  const page = readFileSync(new URL('../../../spec/cluster.md', import.meta.url), 'utf8')
  const table = page.slice(page.indexOf('## Settings'), page.indexOf('## What the log says'))
  const named = table.split('\n').filter((line) => line.startsWith('| `')).flatMap((line) => [...line.split('|')[1]!.matchAll(/`(\w+)`/g)].map((match) => match[1]!))
  assert.deepEqual(named.sort(), Object.keys(SETTINGS.cluster).sort())
})

test('refuses pairs of limits that contradict each other', (t) => {
  refuses(t, { flags: { 'limits.windowMax': '100' } }, /limits\.windowDefault \(256\) is larger than limits\.windowMax \(100\)/)
})

test('prints a file that gives the same configuration again, with comments and sources', (t) => {
  const loaded = load(t, {
    toml: '[listen]\nurls = ["tcp://127.0.0.1:1", "ws://127.0.0.1:2"]\n[data]\ndirectory = "a \\"b\\""\n',
    environment: { CHATD_LOG_LEVEL: 'warn' }, flags: { 'limits.devicesMax': '7' },
  })
  const text = printConfig(loaded)
  assert.deepEqual(load(t, { toml: text }).config, loaded.config)
  assert.match(text, /# devices of one user \(devices, 1 to 1000\)\ndevicesMax = 7 # flag/)
  assert.match(text, /level = "warn" # CHATD_LOG_LEVEL/)
})
