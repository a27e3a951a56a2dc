import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from './config.js'
import { readS3Credentials } from './s3-credentials.js'

test('the keys of S3 come from the variables that every S3 program knows', () => {
  const both = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
  assert.deepEqual(readS3Credentials('', both), { accessKeyId: 'id', secretAccessKey: 'secret' })
  assert.deepEqual(readS3Credentials('', { ...both, AWS_SESSION_TOKEN: 'session' }), { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: 'session' })
  for (const environment of [{}, { AWS_ACCESS_KEY_ID: 'id' }, { ...both, AWS_SECRET_ACCESS_KEY: '' }]) {
    assert.throws(() => readS3Credentials('', environment), ConfigError)
  }
})

test('or from a file for its owner alone, and no error tells what stands there', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-keys-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'keys')
  const write = (text: string, mode = 0o600): void => {
    writeFileSync(file, text)
    chmodSync(file, mode)
  }
  const expected = { accessKeyId: 'id', secretAccessKey: 'se+cr/et==' }
  write('access_key_id = id\nsecret_access_key = se+cr/et==\n')
  assert.deepEqual(readS3Credentials(file, {}), expected)
  write('[default]\n# of the bucket\naws_access_key_id=id\r\naws_secret_access_key="se+cr/et=="\nsession_token = s')
  assert.deepEqual(readS3Credentials(file, { AWS_ACCESS_KEY_ID: 'other' }), { ...expected, sessionToken: 's' })
  const fails = (pattern: RegExp): void => {
    assert.throws(() => readS3Credentials(file, {}), (error) => error instanceof ConfigError && pattern.test(error.message) && !error.message.includes('se+cr'))
  }
  write('access_key_id = id\nse+cr/et==\n')
  fails(/keys:2: /)
  write('secret_access_key = se+cr/et==\n')
  fails(/access_key_id/)
  if (process.platform !== 'win32') {
    write('access_key_id = id\nsecret_access_key = se+cr/et==\n', 0o640)
    fails(/chmod 600/)
  }
  rmSync(file)
  fails(/ENOENT/)
})
