import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeBase64 } from './base64.js'
import { ERROR, LIMIT } from './generated/registry.js'
import { SCRAM_SALT_BYTES, deriveFakeVerifier, deriveVerifier, equalInConstantTime } from './scram.js'
import type { ScramVerifier } from './scram.js'
import { ScramClient } from './scram-client.js'
import type { ChannelBinding } from './scram-client.js'
import { ScramServer } from './scram-server.js'
import { decodeText, encodeText } from './utf8.js'
import { webCrypto } from './web-crypto.js'

interface ExchangeVector {
  readonly name: string
  readonly source: string
  readonly user: string
  readonly password: string
  readonly clientNonce: string
  readonly serverNonce: string
  /** Hex of the TLS exporter's value; absent: no channel binding. */
  readonly bindingData?: string
  readonly salt: string
  readonly iterations: number
  readonly clientFirst: string
  readonly serverFirst: string
  readonly clientFinal: string
  readonly serverFinal: string
}

interface RefusalVector {
  readonly name: string
  readonly requirement: string
  readonly isPlus: boolean
  readonly offersPlus: boolean
  readonly clientFirst: string
  readonly error: number
}

const vectors = JSON.parse(readFileSync(new URL('../../conformance/vectors/scram.json', import.meta.url), 'utf8')) as {
  readonly exchanges: readonly ExchangeVector[]
  readonly refusals: readonly RefusalVector[]
}

const bindingData = new Uint8Array(32).fill(7)
const salt = new Uint8Array(SCRAM_SALT_BYTES).fill(1)
const crypto = webCrypto

function verifierOf(password: string): Promise<ScramVerifier> {
  return deriveVerifier(password, salt, LIMIT.scramIterationsMin, crypto)
}

async function exchange(options: { binding: ChannelBinding; offered: Uint8Array | null; typed?: string; user?: string }) {
  const { binding, offered, typed = 'pencil', user = 'bob' } = options
  const client = new ScramClient({ user, password: typed, binding, crypto })
  const server = new ScramServer({ isPlus: client.mechanism === 'SCRAM-SHA-256-PLUS', bindingData: offered, crypto })
  const refusal = server.start(client.first())
  if (refusal !== 0) return { client, server, result: refusal }
  const final = await client.final(server.challenge(await verifierOf('pencil')))
  assert.ok(typeof final !== 'string')
  return { client, server, result: await server.finish(final) }
}

for (const vector of vectors.exchanges) {
  test(`[SCR-1] both sides say what the vector says: ${vector.name}`, async () => {
    const bound = vector.bindingData === undefined ? null : Buffer.from(vector.bindingData, 'hex')
    const client = new ScramClient({
      user: vector.user, password: vector.password, binding: bound ?? 'none', crypto, nonce: vector.clientNonce,
    })
    const server = new ScramServer({ isPlus: bound !== null, bindingData: bound, crypto, nonce: vector.serverNonce })
    assert.equal(decodeText(client.first()), vector.clientFirst)
    assert.equal(server.start(client.first()), 0)
    const verifier = await deriveVerifier(vector.password, Buffer.from(vector.salt, 'base64'), vector.iterations, crypto)
    const serverFirst = server.challenge(verifier)
    assert.equal(decodeText(serverFirst), vector.serverFirst)
    const clientFinal = await client.final(serverFirst)
    assert.ok(typeof clientFinal !== 'string')
    assert.equal(decodeText(clientFinal), vector.clientFinal)
    const serverFinal = await server.finish(clientFinal)
    assert.ok(typeof serverFinal !== 'number')
    assert.equal(decodeText(serverFinal), vector.serverFinal)
    assert.ok(client.verify(serverFinal))
  })
}

// A mechanism that is not offered never gets here: there the server refuses the auth.
for (const vector of vectors.refusals.filter(({ isPlus, offersPlus }) => offersPlus || !isPlus)) {
  test(`[${vector.requirement}] refuses a first message: ${vector.name}`, () => {
    const server = new ScramServer({ isPlus: vector.isPlus, bindingData: vector.offersPlus ? bindingData : null, crypto })
    assert.equal(server.start(encodeText(vector.clientFirst)), vector.error)
  })
}

test('[SCR-2] binds nothing where nothing was offered', () => {
  const server = new ScramServer({ isPlus: true, bindingData: null, crypto })
  assert.equal(server.start(encodeText('p=tls-exporter,,n=bob,r=abc')), ERROR.channelBindingFailed)
})

test('[SCR-2] binds to the TLS connection, and refuses one who saw another', async () => {
  const good = await exchange({ binding: bindingData, offered: bindingData })
  assert.ok(good.result instanceof Uint8Array && good.client.verify(good.result))
  const bad = await exchange({ binding: new Uint8Array(32).fill(8), offered: bindingData })
  assert.equal(bad.result, ERROR.channelBindingFailed)
})

test('[SCR-3] flag y is refused where -PLUS is offered and accepted elsewhere', async () => {
  assert.equal((await exchange({ binding: 'unoffered', offered: bindingData })).result, ERROR.channelBindingFailed)
  assert.ok((await exchange({ binding: 'unoffered', offered: null })).result instanceof Uint8Array)
  assert.ok((await exchange({ binding: 'none', offered: bindingData })).result instanceof Uint8Array)
})

test('[OPN-13] refuses a wrong password and any change of a message', async () => {
  assert.equal((await exchange({ binding: 'none', offered: null, typed: 'pencil2' })).result, ERROR.notAuthorized)
  const changes: ((final: string) => string)[] = [
    (final) => final.replace(',p=', ',x=1,p='),
    (final) => final.slice(0, -4) + 'AAA=',
    (final) => final.replace(/,p=.*/, ''),
    (final) => final.replace(/p=.*/, 'p=AAAA'),
    (final) => final.replace('r=', 'r=x'),
    (final) => final.slice(2),
    () => '',
  ]
  for (const change of changes) {
    const client = new ScramClient({ user: 'bob', password: 'pencil', binding: 'none', crypto })
    const server = new ScramServer({ isPlus: false, bindingData: null, crypto })
    server.start(client.first())
    const final = await client.final(server.challenge(await verifierOf('pencil')))
    assert.ok(typeof final !== 'string')
    const changed = change(decodeText(final))
    assert.notEqual(changed, decodeText(final))
    assert.equal(await server.finish(encodeText(changed)), ERROR.notAuthorized, changed)
    assert.equal(await server.finish(final), ERROR.notAuthorized, 'a second try at the same exchange')
  }
})

test('[SCR-1] a final message with another gs2 header is a failed channel binding', async () => {
  const client = new ScramClient({ user: 'bob', password: 'pencil', binding: 'none', crypto })
  const server = new ScramServer({ isPlus: false, bindingData: null, crypto })
  server.start(client.first())
  const final = await client.final(server.challenge(await verifierOf('pencil')))
  assert.ok(typeof final !== 'string')
  const changed = decodeText(final).replace('c=biws', `c=${encodeBase64(encodeText('y,,'))}`)
  assert.equal(await server.finish(encodeText(changed)), ERROR.channelBindingFailed)
})

test('[SCR-6] the authorization identity may be the user itself, in any spelling, and nobody else', () => {
  const start = (first: string) => new ScramServer({ isPlus: false, bindingData: null, crypto }).start(encodeText(first))
  assert.equal(start('n,a=bob,n=bob,r=x'), 0)
  assert.equal(start('n,a=BOB,n=bob,r=x'), 0)
  assert.equal(start('n,a=alice,n=bob,r=x'), ERROR.notAuthorized)
})

test('[SCR-1] escapes the name and normalises the user', () => {
  const client = new ScramClient({ user: 'a=b,c', password: 'x', binding: 'none', crypto, nonce: 'n' })
  assert.equal(decodeText(client.first()), 'n,,n=a=3Db=2Cc,r=n')
  const server = new ScramServer({ isPlus: false, bindingData: null, crypto })
  assert.equal(server.start(client.first()), 0)
  assert.deepEqual([server.name, server.user], ['a=b,c', null])
  assert.equal(server.start(encodeText('n,,n=BOB,r=x')), 0)
  assert.deepEqual([server.name, server.user], ['BOB', 'bob'])
})

test('[SCR-4] takes no other signature, and none before the exchange', async () => {
  const { client, result } = await exchange({ binding: 'none', offered: null })
  assert.ok(result instanceof Uint8Array)
  assert.ok(client.verify(result))
  assert.ok(!client.verify(encodeText(`v=${encodeBase64(new Uint8Array(32))}`)))
  assert.ok(!client.verify(encodeText('e=other-error')))
  assert.ok(!client.verify(new Uint8Array([0xff])))
  assert.ok(!new ScramClient({ user: 'bob', password: 'x', binding: 'none', crypto }).verify(result))
})

test('[SCR-5] a client gives up at an answer that is malformed, not to its nonce, or out of bounds', async () => {
  const client = new ScramClient({ user: 'bob', password: 'pencil', binding: 'none', crypto, nonce: 'abc' })
  const answer = (text: string) => client.final(encodeText(text))
  assert.equal(await answer('r=abcd,s=AAAA,i=4095'), 'iterations')
  assert.equal(await answer('r=abcd,s=AAAA,i=10000001'), 'iterations')
  assert.equal(await answer('r=abc,s=AAAA,i=4096'), 'nonce')
  assert.equal(await answer('r=xabc,s=AAAA,i=4096'), 'nonce')
  for (const text of ['', 'm=x,r=abcd,s=AAAA,i=4096', 'r=abcd,s=,i=4096', 'r=abcd,s=A,i=4096', 'r=abcd,s=AAAA,i=4096x', 'r=abcd,s=AAAA']) {
    assert.equal(await answer(text), 'malformed', text)
  }
  assert.equal(await client.final(new Uint8Array([0xff])), 'malformed')
  const unusable = new ScramClient({ user: 'bob', password: 'a\u0007', binding: 'none', crypto, nonce: 'abc' })
  assert.equal(await unusable.final(encodeText('r=abcd,s=AAAA,i=4096')), 'password')
})

test('[ADR-6] the same password typed in two ways makes one verifier', async () => {
  assert.deepEqual(await verifierOf('caf\u00e9\u00a0x'), await verifierOf('cafe\u0301 x'))
  await assert.rejects(verifierOf(''), RangeError)
  await assert.rejects(deriveVerifier('x', salt, 4095, crypto), RangeError)
})

test('[OPN-13] an unknown user is asked with the same salt every time, of the usual size', async () => {
  const secret = new Uint8Array(32).fill(3)
  const first = await deriveFakeVerifier('nobody', secret, 4096, crypto)
  assert.deepEqual(first, await deriveFakeVerifier('nobody', secret, 4096, crypto))
  assert.equal(first.salt.length, SCRAM_SALT_BYTES)
  assert.notDeepEqual(first.salt, (await deriveFakeVerifier('nobody2', secret, 4096, crypto)).salt)
  const client = new ScramClient({ user: 'nobody', password: 'pencil', binding: 'none', crypto })
  const server = new ScramServer({ isPlus: false, bindingData: null, crypto })
  server.start(client.first())
  const final = await client.final(server.challenge(first))
  assert.ok(typeof final !== 'string')
  assert.equal(await server.finish(final), ERROR.notAuthorized)
})

test('[OPN-13] the comparison of secrets sees every difference', () => {
  assert.ok(equalInConstantTime(new Uint8Array([1, 2]), new Uint8Array([1, 2])))
  assert.ok(!equalInConstantTime(new Uint8Array([1, 2]), new Uint8Array([1, 3])))
  assert.ok(!equalInConstantTime(new Uint8Array([1, 2]), new Uint8Array([1])))
})

test('[SCR-1] no message makes either side throw, and none but the right one is accepted', async () => {
  const verifier = await verifierOf('pencil')
  const piece = fc.constantFrom('n', 'y', 'p=tls-exporter', ',', ',,', 'n=bob', 'r=', 'abc', 'c=biws', 's=AAAA', 'i=4096', 'p=', 'AAAA', '=', 'm=x', '\ud800', '\u0000')
  await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.uint8Array({ maxLength: 20 }), async (pieces, noise) => {
    for (const bytes of [encodeText(pieces.join('')), noise]) {
      const server = new ScramServer({ isPlus: false, bindingData: null, crypto })
      if (server.start(bytes) === 0) server.challenge(verifier)
      assert.equal(typeof await server.finish(bytes), 'number')
      const client = new ScramClient({ user: 'bob', password: '', binding: 'none', crypto, nonce: 'abc' })
      assert.equal(typeof await client.final(bytes), 'string')
      assert.equal(client.verify(bytes), false)
    }
  }), { numRuns: 1000 })
})
