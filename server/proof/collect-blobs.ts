/** Blobs end as fast as they can while they are uploaded, sent, passed on and taken back: what a message carries is never among them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { element } from '../../protocol/element.js'
import { seeded } from '../testing/seeded-random.js'
import { BlobUser, type SentBlob } from './blob-user.js'
import { Chatd } from './chatd.js'
import { delay, type Scope, until } from './scope.js'

export interface CollectBlobsOptions {
  readonly clients: number
  /** Seconds of it. */
  readonly rounds: number
  readonly seed: number
}

/** A blob waits so long for its message, the least that can be set; some messages come too late. */
const HOLD_MS = 1000
const PAUSE_MS_MAX = 2500
/** Few files among many users: the same content comes and goes all the time. */
const FILES = 12

interface Proof {
  readonly random: () => number
  readonly users: readonly BlobUser[]
  /** Of each reader's conversation: what is there. */
  readonly kept: { readonly from: BlobUser, readonly reader: BlobUser, readonly blob: SentBlob }[]
  late: number
  removed: number
  isOver: boolean
}

export async function collectBlobs(scope: Scope, { clients, rounds, seed }: CollectBlobsOptions): Promise<{ kept: number, late: number, removed: number }> {
  const random = seeded(seed)
  const names = Array.from({ length: clients }, (_, at) => `user-${at}`)
  const chatd = await Chatd.start(scope, names, { settings: { CHATD_LOG_LEVEL: 'warn', CHATD_BLOBS_HOLD_MS: String(HOLD_MS) } })
  const users = names.map((name, at) => new BlobUser(at % 2 === 0 ? chatd.tcp : chatd.ws, name, random))
  scope.after(() => { for (const { device } of users) device.stop() })
  for (const { device } of users) device.start()
  await until('all to be online', () => users.every(({ device }) => device.isOnline))
  const proof: Proof = { random, users, kept: [], late: 0, removed: 0, isOver: false }
  const work = Promise.all(users.map((_, at) => keepChanging(proof, at)))
  await Promise.race([work, delay(rounds * 1000)])
  proof.isOver = true
  await work
  for (const { from, reader, blob } of proof.kept) {
    assert.ok(await reader.fetch(from.user, blob.seq, blob.id) !== null, `${blob.text} has lost its file`)
  }
  const contents = new Set(proof.kept.map(({ blob }) => blob.id)).size
  await seesItsEnd(chatd, users[0]!)
  const { kept, late, removed } = proof
  scope.note(`${rounds} s, ${clients} users: ${kept.length} messages have their files, of ${contents} contents; ${removed} were taken back, ${late} came too late`)
  return { kept: kept.length, late, removed }
}

async function keepChanging(proof: Proof, at: number): Promise<void> {
  const { random, users } = proof
  const user = users[at]!
  for (let round = 0; !proof.isOver; round++) {
    const reader = users[(at + 1 + Math.floor(random() * (users.length - 1))) % users.length]!
    const blob = await user.upload(Buffer.alloc(1000 + Math.floor(random() * FILES), 'x'))
    if (random() < 0.5) await delay(random() * PAUSE_MS_MAX)
    await send(proof, user, reader, `${user.user} ${round}`, blob.attributes)
    if (random() < 0.3) await passOn(proof, at, round)
    if (random() < 0.6) await takeBack(proof, user)
  }
}

async function send(proof: Proof, from: BlobUser, reader: BlobUser, text: string, attributes: ReadonlyMap<string, string>): Promise<void> {
  const message = await from.sendBlob(reader.user, text, { ...element('blob'), attributes })
  if (message === null) proof.late++
  else proof.kept.push({ from, reader, blob: message })
}

/** What somebody was sent goes on to another one, without an upload. */
async function passOn(proof: Proof, at: number, round: number): Promise<void> {
  const user = proof.users[at]!
  const known = proof.kept.findLast(({ reader }) => reader === user)
  if (known === undefined) return
  const blob = await user.keep(known.from.user, known.blob.seq, known.blob.id)
  if (blob === null) return
  const to = proof.users[(at + 1) % proof.users.length]!
  await send(proof, user, to, `${user.user} ${round} passed on`, blob.attributes)
}

async function takeBack(proof: Proof, user: BlobUser): Promise<void> {
  const at = proof.kept.findIndex(({ from }) => from === user)
  const [message] = at < 0 ? [] : proof.kept.splice(at, 1)
  if (message === undefined) return
  await user.remove(message.blob)
  proof.removed++
}

/** What nobody sends is collected. Of the others the store may still hold what was put twice at once: that stays for minutes. */
async function seesItsEnd(chatd: Chatd, user: BlobUser): Promise<void> {
  const before = objectsOf(chatd)
  await user.upload(randomBytes(1000))
  // By their names, since others are collected meanwhile.
  const added = [...objectsOf(chatd)].filter((name) => !before.has(name))
  assert.ok(added.length > 0)
  await until('a file that nobody sent to be collected', () => {
    const there = objectsOf(chatd)
    return !added.some((name) => there.has(name))
  })
}

function objectsOf(chatd: Chatd): Set<string> {
  const files = readdirSync(join(chatd.data, 'blobs', 'objects'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Set(files.map(({ name }) => name))
}
