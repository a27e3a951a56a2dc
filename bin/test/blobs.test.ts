/** Pictures and files from terminal to terminal, through kills of whatever is in the way. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { watch } from 'node:fs'
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import sharp from 'sharp'
import type { AckJson, MessageJson, Program } from './harness.js'
import { Place, TIMEOUT_SECONDS } from './harness.js'
import { HeldLink } from './held-link.js'
import { signIn, sit } from './seat.js'

const MIB = 1024 * 1024
const FIVE = randomBytes(5 * MIB)

interface FileJson {
  readonly id: string
  readonly type: string
  readonly size: number
  readonly name?: string
  readonly width?: number
  readonly height?: number
  readonly thumbnail?: boolean
  readonly placeholder?: string
}

type CarryingJson = MessageJson & { readonly attachments?: readonly FileJson[] }

async function placeWithUsers(t: TestContext, environment: Record<string, string> = {}): Promise<Place> {
  const place = await Place.make(t)
  Object.assign(place.environment, environment)
  await place.start('tcp', 'ws')
  await place.addUsers('alice', 'bob')
  await writeFile(place.path('five.bin'), FIVE)
  await mkdir(place.path('got'))
  return place
}

/** A place whose files go over a link of ours. */
async function placeWithLink(t: TestContext): Promise<{ place: Place; link: HeldLink }> {
  const link = await HeldLink.make(t)
  const place = await placeWithUsers(t, { CHATD_BLOBS_PUBLIC_URL: link.url })
  link.target = Number(new URL(place.url('ws')).port)
  return { place, link }
}

function sendFiles(place: Place, names: readonly string[], ...options: readonly string[]): Program {
  return place.chat('send', 'alice', [...names.flatMap((name) => ['--file', place.path(name)]), '--timeout', TIMEOUT_SECONDS, ...options])
}

function fetchTo(place: Place, folder: string, ...options: readonly string[]): Program {
  return place.chat('fetch', 'bob', ['alice', '1', '--out', place.path(folder), '--timeout', TIMEOUT_SECONDS, ...options])
}

/** Resolves when the file of that name, which is written to, has so many bytes. */
async function hasGrown(folder: string, name: RegExp, bytes: number): Promise<void> {
  const size = async (): Promise<number> => {
    const found = (await readdir(folder)).find((each) => name.test(each))
    return found === undefined ? 0 : (await stat(join(folder, found))).size
  }
  let hasChanged = false
  let wake = (): void => {}
  const watcher = watch(folder, () => {
    hasChanged = true
    wake()
  })
  try {
    for (;;) {
      hasChanged = false
      if (await size() >= bytes) return
      await new Promise<void>((resolve) => {
        wake = resolve
        if (hasChanged) resolve()
      })
    }
  } finally {
    watcher.close()
  }
}

async function received(place: Place): Promise<CarryingJson> {
  const [message] = await place.receive('bob', 1) as CarryingJson[]
  assert.ok(message !== undefined)
  return message
}

function picture(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: { r: 200, g: 100, b: 20 } } }).jpeg().toBuffer()
}

test('[BLB-7] the server is killed in the middle of an upload: it goes on after the restart, and arrives as it was', async (t) => {
  const { place, link } = await placeWithLink(t)
  const inMiddle = link.hold('up', 2 * MIB)
  const sending = sendFiles(place, ['five.bin'], '--json', 'bob', 'five')
  await inMiddle
  await place.server?.kill('SIGKILL')
  link.cut()
  await place.start()
  const lines = await sending.finishJson<Partial<AckJson>>()
  assert.equal(lines.at(-1)?.seq, 1)
  assert.ok(link.up < 1.6 * FIVE.length, `${link.up} bytes were sent for ${FIVE.length}`)

  const message = await received(place)
  assert.equal(message.text, 'five')
  assert.deepEqual(message.attachments?.map(({ name, size, type }) => [name, size, type]), [['five.bin', FIVE.length, 'application/octet-stream']])
  await fetchTo(place, 'got').finish()
  assert.equal(FIVE.equals(await readFile(place.path('got/five.bin'))), true)
})

test('[BLB-5] `chat send` is killed in the middle of an upload: the same command goes on, and nothing goes twice', async (t) => {
  const { place, link } = await placeWithLink(t)
  const inMiddle = link.hold('up', 3 * MIB)
  const first = sendFiles(place, ['five.bin'], 'bob')
  await inMiddle
  await first.kill('SIGKILL')
  const before = link.up
  link.cut()
  await sendFiles(place, ['five.bin'], 'bob').finish()
  // What was on its way when it was killed may be sent once more.
  assert.ok(link.up - before < FIVE.length - MIB, `${link.up - before} bytes were sent by the second run`)
  await received(place)
  await fetchTo(place, 'got').finish()
  assert.equal(FIVE.equals(await readFile(place.path('got/five.bin'))), true)
})

test('[BLB-21] a download is cut, and then killed: it goes on each time, and has no name before it is whole', async (t) => {
  const { place, link } = await placeWithLink(t)
  await sendFiles(place, ['five.bin'], 'bob').finish()
  const before = link.down
  const inMiddle = link.hold('down', MIB)
  const fetching = fetchTo(place, 'got')
  await inMiddle
  const [part = '', lock, ...others] = (await readdir(place.path('got'))).sort()
  assert.match(part, /^five\.bin\.[0-9a-f]{16}\.part$/)
  assert.deepEqual([lock, ...others], [`${part}.lock`])
  const second = fetchTo(place, 'got/five.bin')
  await second.finish(1)
  assert.match(second.stderr, /five\.bin is being downloaded by process \d+ already\n$/)
  link.cut()
  await fetching.finish()
  assert.equal(FIVE.equals(await readFile(place.path('got/five.bin'))), true)
  assert.ok(link.down - before < 1.5 * FIVE.length)

  void link.hold('down', 3 * MIB)
  const killed = fetchTo(place, 'got')
  await hasGrown(place.path('got'), /\(2\).*\.part$/, 2.5 * MIB)
  await killed.kill('SIGKILL')
  const half = link.down
  link.cut()
  await fetchTo(place, 'got').finish()
  assert.ok(link.down - half < 3 * MIB, `${link.down - half} bytes were fetched by the second run`)
  assert.deepEqual((await readdir(place.path('got'))).sort(), ['five (2).bin', 'five.bin'])
  assert.equal(FIVE.equals(await readFile(place.path('got/five (2).bin'))), true)
})

test('a picture shows its size and has a thumbnail; a message needs no text, and carries ten files and not eleven', async (t) => {
  const place = await placeWithUsers(t)
  const names = Array.from({ length: 11 }, (_, at) => `picture ${at + 1}.jpg`)
  for (const [at, name] of names.entries()) await writeFile(place.path(name), await picture(640 + at, 320))
  const eleven = sendFiles(place, names, 'bob')
  await eleven.finish(2)
  assert.match(eleven.stderr, /a message carries 10 files at most, not 11/)

  await sendFiles(place, names.slice(0, 10), '--json', 'bob').finish()
  const { text, attachments = [] } = await received(place)
  assert.equal(text, '')
  assert.deepEqual(attachments.map(({ name }) => name), names.slice(0, 10))
  assert.deepEqual(attachments.map(({ width, height, type, thumbnail }) => [width, height, type, thumbnail]), names.slice(0, 10).map((_, at) => [640 + at, 320, 'image/jpeg', true]))
  assert.ok((attachments[0]?.placeholder ?? '').length > 10)
  const [line] = await place.chat('history', 'bob', ['--with', 'alice', '--limit', '1']).finish()
  assert.match(line ?? '', /alice: 📎 picture 1\.jpg \d.* KiB image\/jpeg, 640×320 📎 picture 2\.jpg /)

  await fetchTo(place, 'got').finish()
  assert.equal((await readdir(place.path('got'))).length, 10)
  await place.chat('fetch', 'bob', ['alice', '1', '3', '--thumbnail', '--out', place.path('small.webp')]).finish()
  const small = await sharp(place.path('small.webp')).metadata()
  assert.deepEqual([small.format, small.width], ['webp', 320])
  const ambiguous = place.chat('fetch', 'bob', ['alice', '1', '--out', place.path('one.jpg')])
  await ambiguous.finish(2)
  assert.match(ambiguous.stderr, /10 files: say which/)
})

test('what is there is never replaced unless that is asked for, and names lead nowhere else', async (t) => {
  const place = await placeWithUsers(t)
  await writeFile(place.path('.hidden.txt'), 'hidden')
  await sendFiles(place, ['.hidden.txt'], 'bob').finish()
  await writeFile(place.path('got/hidden.txt'), 'mine')
  await symlink(place.path('elsewhere'), place.path('got/hidden (2).txt'))
  assert.deepEqual(await fetchTo(place, 'got').finish(), [`saved ${place.path('got/hidden (3).txt')}, 6 bytes`])
  assert.equal(await readFile(place.path('got/hidden.txt'), 'utf8'), 'mine')
  await assert.rejects(stat(place.path('elsewhere')))
  await place.chat('fetch', 'bob', ['alice', '1', '--out', place.path('got/hidden.txt')]).finish()
  assert.equal(await readFile(place.path('got/hidden.txt'), 'utf8'), 'hidden')
  assert.deepEqual(await place.chat('fetch', 'bob', ['alice', '1', '1', '--out', '-']).finish(), ['hidden'])
  for (const [options, told] of [[['alice', '2'], /there is no message 2/], [['alice', '1', '2'], /carries one file, and no number 2/], [['nobody', '1'], /there is no conversation with nobody/]] as const) {
    const refused = place.chat('fetch', 'bob', options)
    await refused.finish(1)
    assert.match(refused.stderr, told)
  }
})

test('files that can not be sent are told in one line, before anything is sent', async (t) => {
  const place = await placeWithUsers(t, { CHATD_BLOBS_SIZE_MAX: String(MIB), CHATD_BLOBS_QUOTA_BYTES: String(1.5 * MIB) })
  await writeFile(place.path('empty'), '')
  await writeFile(place.path('one.bin'), FIVE.subarray(0, MIB))
  await writeFile(place.path('two.bin'), FIVE.subarray(1, MIB))
  const cases = [
    ['nothing', /can't be sent: there is no such file/], ['got', /it is a folder/], ['empty', /it is empty/], ['five.bin', /is too large: it has 5 MiB, and the server takes files of up to 1 MiB/],
  ] as const
  for (const [name, told] of cases) {
    const refused = sendFiles(place, ['one.bin', name], 'bob')
    assert.deepEqual(await refused.finish(1), [])
    assert.match(refused.stderr, told)
    assert.equal(refused.stderr.split('\n').length, 2)
  }
  assert.deepEqual(await place.chat('blobs', 'alice', ['--json']).finishJson(), [{ used: 0, quota: 1.5 * MIB, blobBytesMax: MIB }])
  await sendFiles(place, ['one.bin'], 'bob').finish()
  assert.deepEqual(await place.chat('blobs', 'alice', []).finish(), ['1 MiB of 1.5 MiB; one file may have 1 MiB'])
  const full = sendFiles(place, ['two.bin'], 'bob')
  await full.finish(1)
  assert.match(full.stderr, /no room for .*two\.bin within your quota/)
  // Again the same takes no more room.
  await sendFiles(place, ['one.bin'], 'bob').finish()
  await writeFile(place.path('copy.bin'), FIVE.subarray(0, MIB))
  const twice = sendFiles(place, ['one.bin', 'copy.bin'], 'bob')
  await twice.finish()
  assert.match(twice.stderr, /copy\.bin is the same file as .*one\.bin: it goes once/)
})

test('a server without a web listener takes no files, and says so', async (t) => {
  const place = await Place.make(t)
  await place.start('tcp')
  await place.addUsers('alice')
  await writeFile(place.path('file'), 'x')
  const refused = place.chat('send', 'alice', ['--file', place.path('file'), 'alice'])
  await refused.finish(1)
  assert.match(refused.stderr, /^chat: this server does not take files\n$/)
})

test('files go over TLS with a certificate of one\'s own, and not without trust in it', async (t) => {
  const place = await Place.make(t)
  await place.makeCertificate()
  await place.start('tls', 'wss')
  await place.addUsers('alice', 'bob')
  await writeFile(place.path('file.txt'), 'over TLS')
  const ca = ['--ca', place.path('certificate/chatd.crt')]
  await place.chat('send', 'alice', [...ca, '--file', place.path('file.txt'), 'bob'], { scheme: 'tls' }).finish()
  assert.deepEqual(await place.chat('fetch', 'bob', [...ca, 'alice', '1', '--out', '-'], { scheme: 'wss' }).finish(), ['over TLS'])
})

test('[BLB-17] profiles and groups have pictures from files, as squares', async (t) => {
  const place = await placeWithUsers(t)
  await writeFile(place.path('me.jpg'), await picture(900, 600))
  const [set] = await place.chat('profile set', 'alice', ['--picture', place.path('me.jpg'), '--json']).finishJson<{ picture?: string }>().then((lines) => lines.slice(-1))
  assert.match(set?.picture ?? '', /^[0-9a-f]{64}$/)
  await place.chat('profile picture', 'bob', ['alice', '--out', place.path('alice.webp')]).finish()
  const large = await sharp(place.path('alice.webp')).metadata()
  assert.deepEqual([large.width, large.height], [640, 640])
  await place.chat('profile picture', 'bob', ['alice', '--thumbnail', '--out', place.path('small.webp')]).finish()
  assert.equal((await sharp(place.path('small.webp')).metadata()).width, 96)
  const none = place.chat('profile picture', 'alice', ['bob', '--out', place.path('none')])
  await none.finish(1)
  assert.match(none.stderr, /bob shows no picture/)
  const text = place.chat('profile set', 'alice', ['--picture', place.path('alice.password')])
  await text.finish(1)
  assert.match(text.stderr, /is no picture that the server can show/)

  await place.chat('group', 'alice', ['create', 'skiing', 'bob']).finish()
  await place.chat('group', 'alice', ['picture', '#skiing', place.path('me.jpg')]).finish()
  await place.chat('group', 'bob', ['picture', '#skiing', '--out', place.path('group.webp')]).finish()
  assert.equal((await sharp(place.path('group.webp')).metadata()).width, 640)
  await place.chat('profile set', 'alice', ['--picture', '']).finish()
  const gone = place.chat('profile picture', 'bob', ['alice', '--out', place.path('gone')])
  await gone.finish(1)
})

test('on the screen a file is sent with its name completed, saved by the other, and forwarded', async (t) => {
  const place = await placeWithUsers(t)
  await place.addUsers('carol')
  await writeFile(place.path('my beach.jpg'), await picture(640, 320))
  const alice = sit(t, place, signIn(place, 'alice'))
  await alice.screen.sees(/● online/)
  alice.type('bob\r')
  await alice.screen.sees(/type the first message/)
  alice.type(`/send ${place.directory}/my\\ b\t`)
  await alice.screen.sees(/beach\.jpg/)
  alice.type('so warm\r')
  await alice.screen.sees(/you: so warm ✓/)
  await alice.screen.sees(/📎 my beach\.jpg .* image\/jpeg, 640×320$/)

  const bob = sit(t, place, signIn(place, 'bob'))
  await bob.screen.sees(/alice .*📎 my beach\.jpg so warm/)
  bob.type('alice\r')
  await bob.screen.sees(/alice: so warm/)
  bob.type(`/fetch ${join(place.directory, 'got')}\r`)
  await bob.screen.sees(/saved .*/)
  assert.equal((await readFile(place.path('got/my beach.jpg'))).equals(await readFile(place.path('my beach.jpg'))), true)
  bob.type('/forward carol\r')
  await bob.screen.sees(/forwarded to carol/)
  const [message] = await place.receive('carol', 1) as (CarryingJson & { readonly forwards?: number })[]
  assert.deepEqual([message?.text, message?.attachments?.[0]?.name, message?.forwards], ['so warm', 'my beach.jpg', 1])
  await place.chat('fetch', 'carol', ['bob', '1', '--out', place.path('carol.jpg')]).finish()
  bob.type(`/send ${place.directory}/nothing\r`)
  await bob.screen.sees(/there is no such file/)
})
