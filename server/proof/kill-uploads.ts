/** SIGKILL to the server while files are uploaded, sent and fetched, again and again, at moments that nobody chose. */
import assert from 'node:assert/strict'
import { seeded } from '../testing/seeded-random.js'
import { mega } from './abuse.js'
import { BlobUser, type SentBlob } from './blob-user.js'
import { Chatd } from './chatd.js'
import { delay, type Scope, until } from './scope.js'

export interface KillUploadsOptions {
  /** Users, each with a file under way. */
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

const FILE_BYTES_MAX = 2_000_000
/** Without a kill for so long a round has little left to kill. */
const ROUND_MS = 1200

interface Proof {
  readonly random: () => number
  readonly users: readonly BlobUser[]
  readonly sent: { readonly from: string, readonly blob: SentBlob }[]
  isOver: boolean
}

/**
 * Each user uploads a file, sends it to the next one, who fetches it, and begins anew. In the end every message that was acknowledged
 * still has its file, whole.
 */
export async function killUploads(scope: Scope, { clients, rounds, seed }: KillUploadsOptions): Promise<{ sent: number }> {
  const random = seeded(seed)
  const names = Array.from({ length: clients }, (_, at) => `user-${at}`)
  const chatd = await Chatd.start(scope, names, { settings: { CHATD_LOG_LEVEL: 'warn' } })
  const users = names.map((name, at) => new BlobUser(at % 2 === 0 ? chatd.tcp : chatd.ws, name, random))
  scope.after(() => { for (const { device } of users) device.stop() })
  const proof: Proof = { random, users, sent: [], isOver: false }
  for (const { device } of users) device.start()
  await until('all to be online', () => users.every(({ device }) => device.isOnline))
  const work = Promise.all(users.map((_, at) => keepSending(proof, at)))
  // Whoever finds a breach ends the proof at once.
  const kills = killAgainAndAgain(scope, chatd, proof, rounds)
  await Promise.race([work, kills])
  await kills
  proof.isOver = true
  await work
  await checkAll(proof)
  const taken = users.reduce((sum, user) => sum + user.taken, 0)
  const spent = users.reduce((sum, user) => sum + user.sent, 0)
  const failures = users.reduce((sum, user) => sum + user.failures, 0)
  scope.note(`${rounds} kills, ${clients} users: ${proof.sent.length} files sent and found, ${mega(taken)} in them, ${mega(spent)} uploaded for that, `
    + `${failures} requests failed on the way`)
  return { sent: proof.sent.length }
}

async function killAgainAndAgain(scope: Scope, chatd: Chatd, proof: Proof, rounds: number): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    await delay(proof.random() * ROUND_MS)
    await chatd.kill()
    await delay(proof.random() * 50)
    await chatd.restart()
    await until('a user to be back', () => proof.users.some(({ device }) => device.isOnline))
    if (round % 5 === 0) scope.note(`killed for the ${round}. time; ${proof.sent.length} files sent`)
  }
}

async function keepSending(proof: Proof, at: number): Promise<void> {
  const { random, users, sent } = proof
  const user = users[at]!
  const to = users[(at + 1) % users.length]!
  for (let round = 0; !proof.isOver || round === 0; round++) {
    const blob = await user.upload(fileOf(random))
    const message = await user.sendBlob(to.user, `${user.user} ${round}`, blob)
    assert.ok(message !== null, `${user.user}: an upload of this moment is held no more`)
    sent.push({ from: user.user, blob: message })
    assert.ok(await to.fetch(user.user, message.seq, message.id) !== null, `${message.text} has lost its file`)
  }
}

/** Large and small; one in four is all of one byte, so that some users hold the same. */
function fileOf(random: () => number): Uint8Array {
  const size = 1 + Math.floor(random() ** 3 * FILE_BYTES_MAX)
  if (random() < 0.25) return new Uint8Array(1 + size % 5).fill(7)
  const bytes = Buffer.alloc(size)
  for (let at = 0; at + 4 <= size; at += 1024) bytes.writeUInt32LE(Math.floor(random() * 0x1_0000_0000), at)
  return bytes
}

async function checkAll({ users, sent }: Proof): Promise<void> {
  const byName = new Map(users.map((user) => [user.user, user]))
  for (const { from, blob } of sent) {
    const reader = byName.get(blob.to)!
    assert.ok(await reader.fetch(from, blob.seq, blob.id) !== null, `${blob.text}, which was acknowledged, has lost its file`)
  }
  for (const { recorder } of users) {
    const broken = recorder.events.find(({ kind }) => kind === 'broken')
    assert.equal(broken, undefined)
  }
}
