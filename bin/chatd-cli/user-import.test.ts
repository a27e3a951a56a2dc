import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError, type Verifier } from '../../server/router/router.js'
import { ImportError, importUsers } from './user-import.js'

class Accounts {
  readonly verifiers = new Map<string, Verifier>()
  async addUser(user: string, verifier: Verifier): Promise<void> {
    if (this.verifiers.has(user)) throw new RouterError(ERROR.conflict, 'taken')
    if (user === 'broken') throw new RouterError(ERROR.unavailable, 'no disk')
    this.verifiers.set(user, verifier)
  }
}

test('adds an account for each line, with the rest of the line as password', async () => {
  const accounts = new Accounts()
  const lines = ['alice a b  c', '', 'Bob pw', ...Array.from({ length: 100 }, (_, at) => `u${String(at)} pw-${String(at)}`), 'alice other']
  assert.deepEqual(await importUsers(accounts, lines, 4096), { added: 102, taken: 1 })
  const { salt, iterations, storedKey } = accounts.verifiers.get('alice')!
  assert.equal(iterations, 4096)
  const clientKey = createHmac('sha256', pbkdf2Sync('a b  c', salt, 4096, 32, 'sha256')).update('Client Key').digest()
  assert.deepEqual(Buffer.from(storedKey), createHash('sha256').update(clientKey).digest())
  assert.ok(accounts.verifiers.has('bob'))
})

test('refuses lines that are no account, by number and without the password', async () => {
  for (const line of ['alice', 'a/b secret', 'alice ', 'alice sec\u0007ret', ' secret']) {
    const accounts = new Accounts()
    await assert.rejects(importUsers(accounts, ['first pw', line, 'third pw'], 4096), (error) => {
      assert.ok(error instanceof ImportError)
      assert.match(error.message, /^line 2: /)
      assert.doesNotMatch(error.message, /sec/)
      return true
    })
    assert.deepEqual([...accounts.verifiers.keys()], ['first'])
  }
})

test('hands on a failure of the store that lasts', async () => {
  let pauses = 0
  const pause = (): Promise<void> => { pauses++; return Promise.resolve() }
  await assert.rejects(importUsers(new Accounts(), ['alice pw', 'broken pw', 'carol pw'], 4096, pause), { code: ERROR.unavailable })
  assert.equal(pauses, 29)
})

test('tries again while a shard is away, and takes a name that it has just taken itself for added', async () => {
  const accounts = new Accounts()
  let tries = 0
  const moving = {
    addUser: async (user: string, verifier: Verifier): Promise<void> => {
      if (++tries === 1) throw new RouterError(ERROR.storageUnavailable, 'it moves')
      await accounts.addUser(user, verifier)
      if (tries === 2) throw new RouterError(ERROR.unavailable, 'it has just moved')
    },
  }
  assert.deepEqual(await importUsers(moving, ['alice pw'], 4096, () => Promise.resolve()), { added: 1, taken: 0 })
  assert.deepEqual(await importUsers(moving, ['alice pw'], 4096, () => Promise.resolve()), { added: 0, taken: 1 })
})
