/** Groups under load: one large one with a single sender, and many with random senders, everybody online. A unit is one delivery. */
import { setTimeout as sleep } from 'node:timers/promises'
import { closeAll, connectAll, idOf, names, text, until } from './load.js'
import { measureStretch, quiet } from './measure.js'
import type { Options } from './options.js'
import type { RawClient } from './raw-client.js'
import { ServerProcess } from './server-process.js'
import type { Figures } from './statistics.js'

const MEMBERS = 200
/** Deliveries under way to each device, unless the size of the scenario says otherwise: the same in both, so that one write carries as much. */
const WINDOW = 8
const GROUPS = 1000
const GROUP_SIZE = 50
/** Each is a member of 50 groups. */
const PEOPLE = 1000
const WARM_UP_MS = 2000

interface Posts {
  readonly delivered: () => number
  /** Ends the posting; resolves when all posts have reached everybody, or 10 s later, with what is missing. */
  readonly stop: () => Promise<number>
}

/** Keeps `window` posts under way: `post` sends one and says how many get it. */
function keepPosting(members: readonly RawClient[], window: number, post: (id: number) => number): Posts {
  const left = new Map<number, number>()
  let posted = 0
  let expected = 0
  let delivered = 0
  let isRunning = true
  const next = (): void => {
    const id = posted++
    const copies = post(id)
    left.set(id, copies)
    expected += copies
  }
  const hit = (received: string): void => {
    delivered++
    const id = idOf(received)
    const rest = (left.get(id) ?? 0) - 1
    left.set(id, rest)
    if (rest > 0) return
    left.delete(id)
    if (isRunning) next()
  }
  for (const member of members) member.onDelivery((_, received) => { hit(received) })
  for (let n = 0; n < window; n++) next()
  return {
    delivered: () => delivered,
    stop: async () => {
      isRunning = false
      await until(() => delivered === expected, 10_000)
      return expected - delivered
    },
  }
}

async function measure(server: ServerProcess, posts: Posts, { seconds, runs }: Options): Promise<Figures[]> {
  await sleep(WARM_UP_MS)
  const figures: Figures[] = []
  for (let run = 0; run < runs; run++) {
    const before = posts.delivered()
    const end = measureStretch(server.pid)
    await sleep(seconds * 1000)
    figures.push({ ...end(posts.delivered() - before) })
  }
  const lost = await posts.stop()
  return figures.map((figure) => ({ ...figure, lost }))
}

/** One sender, 200 members, all online. */
export async function group(options: Options): Promise<Figures[]> {
  const users = names(1, MEMBERS)
  const server = await ServerProcess.start(users)
  try {
    const [sender, ...members] = await connectAll(server.port, users) as [RawClient, ...RawClient[]]
    await sender.createGroup('#room', users.slice(1))
    await quiet(server.pid)
    const posts = keepPosting(members, options.size || WINDOW, (id) => {
      sender.send('#room', text(id), id)
      return members.length
    })
    const figures = await measure(server, posts, options)
    await closeAll([sender, ...members])
    return figures
  } finally {
    await server.stop()
  }
}

/** A thousand groups of fifty among a thousand people; every post is somebody else's in another group. */
export async function groups(options: Options): Promise<Figures[]> {
  const users = names(1, PEOPLE)
  const server = await ServerProcess.start(users)
  try {
    const people = await connectAll(server.port, users)
    const membersOf = (at: number): number[] => Array.from({ length: GROUP_SIZE }, (_, n) => (at * 7 + n * 19) % PEOPLE)
    for (let at = 0; at < GROUPS; at++) {
      const [owner = 0, ...others] = membersOf(at)
      await people[owner]!.createGroup(`#g${String(at)}`, others.map((member) => users[member]!))
    }
    await quiet(server.pid)
    let turn = 1
    const posts = keepPosting(people, (options.size || WINDOW) * PEOPLE / GROUP_SIZE, (id) => {
      // A linear congruence: the same groups and senders in every run.
      turn = (turn * 48_271) % 2_147_483_647
      const at = turn % GROUPS
      const members = membersOf(at)
      people[members[(turn >>> 8) % GROUP_SIZE]!]!.send(`#g${String(at)}`, text(id), id)
      return GROUP_SIZE - 1
    })
    const figures = await measure(server, posts, options)
    await closeAll(people)
    return figures
  } finally {
    await server.stop()
  }
}
