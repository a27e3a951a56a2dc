/**
 * Phones: many connections, each of which has little to do. Its person writes now and then, to another one or to a group of ten, and
 * looks at whom it writes to; the connection breaks now and then, and what waited is taken with the return. The load is raised until
 * deliveries take too long.
 *
 * A process has fewer file descriptors than a server bears phones, so that each connection stands for several: it does as much as they
 * would. What phones do is measured by that; what they hold, by the connections themselves.
 */
import { asError } from '../../protocol/as-error.js'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { client, closeAll, idOf, names, open, pool, text, until } from './load.js'
import { measureStretch, memory, quiet, type Stretch } from './measure.js'
import type { Options } from './options.js'
import { seeded } from '../testing/seeded-random.js'
import { highestLevel, RandomTimes } from './phone-load.js'
import type { RawClient } from './raw-client.js'
import { ServerProcess } from './server-process.js'
import { type Figures, medians, percentile } from './statistics.js'

/** One phone, in its own time. */
const MESSAGE_EVERY_S = 430
const RETURN_EVERY_S = 640
const AWAY_S = 10
/** How long its person looks at a conversation that it has written to. */
const LOOK_S = 20
const GROUP_SHARE = 0.5
const GROUP_SIZE = 10
/** Whom it writes to, beside its two groups: these far from it in the list of all. */
const FRIENDS = [37, 1009]
/** What is seen of a group's members. */
const WATCHED = 4

const CONNECTIONS = 5000
/** Of the limit of file descriptors: what server and generator need for other things. */
const DESCRIPTORS_SPARE = 500
const P99_MAX_MS = 250
/** Phones for each connection: where the search begins, its end, and how finely it looks. */
const FIRST_LEVEL = 8
const MAX_LEVEL = 1024
const REFINEMENTS = 3
/** What has not been tried by then counts as too much. */
const SEARCH_MS = 90_000
/** Where the level found is not borne when it is measured again, it is lowered to this part, so many times. */
const STEP_DOWN = 0.8
const STEPS_DOWN_MAX = 3
/** The first moments of a level are not measured. */
const WARM_UP_MS = 1000
/** With more than this share of a second's deliveries outstanding for a whole second a level is too high, whatever else would come. */
const BACKLOG_S = 1
const CATCH_UP_MS = 15_000
const SEED = 1
const LOGINS_AT_ONCE = 100
/** Fewer than there are groups in a tenth of all: nobody makes two at once. */
const GROUPS_AT_ONCE = 16
const RING = 64

/** One connection. */
class Phone {
  readonly at: number
  readonly user: string
  client: RawClient
  /** Since when a message could have been delivered: its return began. */
  sinceMs = 0
  isHere = false
  isLooking = false

  constructor(at: number, user: string, one: RawClient) {
    this.at = at
    this.user = user
    this.client = one
  }
}

interface Later {
  readonly dueMs: number
  readonly phone: Phone
}

export async function phones({ seconds, runs, size }: Options): Promise<Figures[]> {
  const connections = Math.max(GROUP_SIZE * 2, Math.min(size === 0 ? CONNECTIONS : size, descriptorsMax() - DESCRIPTORS_SPARE))
  const users = names(1, connections)
  const server = await ServerProcess.start(users)
  try {
    await acquaint(server.port, users)
    // The heap that the first logins grew would hide what a phone takes.
    await server.renew()
    await quiet(server.pid)
    const before = memory(server.pid)
    const crowd = new Crowd(server, users)
    await crowd.arrive()
    const pace = await crowd.live(1, seconds * 1000)
    const after = memory(server.pid)
    const measureLevel = async (each: number): Promise<Figures[]> => {
      const count = connections * each
      const figures: Figures[] = []
      for (let run = 0; run < runs; run++) {
        const lived = await crowd.live(each, seconds * 1000)
        const held = memory(server.pid)
        figures.push({
          phones: Math.round(count), connections,
          phonesPerCore: lived.serverCores === null ? null : Math.round(count / lived.serverCores),
          p50Ms: lived.p50Ms, p99Ms: lived.p99Ms,
          cpuUsPerPhoneSecond: perPhone(lived, count), cpuUsPerPhoneSecondAtPace: perPhone(pace, connections), p99MsAtPace: pace.p99Ms,
          pssKBPerPhone: before === null || after === null ? null : (after.pssBytes - before.pssBytes) / connections / 1000,
          totalPssMB: held === null ? null : held.pssBytes / 1e6,
          messagesPerSecond: lived.messages, deliveriesPerSecond: lived.perSecond, returnsPerSecond: lived.returns,
          serverCores: lived.serverCores, generatorCores: lived.generatorCores, stealPct: lived.stealPct,
        })
      }
      return figures
    }
    const searchEndMs = performance.now() + SEARCH_MS
    const bears = async (each: number): Promise<boolean> => performance.now() < searchEndMs && crowd.bears(each, seconds * 1000)
    // A stall of the disk or of the host is not the server's: only a second failure counts.
    const level = await highestLevel({ first: FIRST_LEVEL, max: MAX_LEVEL, refinements: REFINEMENTS }, async (each) => await bears(each) || bears(each))
    let figures = await measureLevel(Math.max(1, level))
    // What was borne once is not always borne again: the figure is one that holds.
    for (let tries = 0, lower = level * STEP_DOWN; tries < STEPS_DOWN_MAX && !isBorne(figures) && lower >= 1; tries++, lower *= STEP_DOWN) {
      figures = await measureLevel(lower)
    }
    const lost = crowd.missing
    await crowd.leave()
    // A number that did not hold is none.
    const held = isBorne(figures)
    return figures.map((figure) => ({ ...figure, phones: held ? figure['phones'] ?? null : null, lost }))
  } finally {
    await server.stop()
  }
}

function isBorne(figures: readonly Figures[]): boolean {
  return (medians(figures)['p99Ms'] ?? Infinity) < P99_MAX_MS
}

function perPhone({ serverCores }: Stretch, count: number): number | null {
  return serverCores === null ? null : serverCores * 1e6 / count
}

/** How many files and sockets a process may have open. */
function descriptorsMax(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity)
  } catch {
    return 4096 // not Linux: what most systems allow
  }
}

/** Group `at` has ten members: neighbours, or one in ten. So everybody is in two, and they overlap as circles of people do. */
function membersOf(at: number, count: number): number[] {
  const circles = Math.floor(count / GROUP_SIZE)
  return Array.from({ length: GROUP_SIZE }, (_, n) => at < circles ? at * GROUP_SIZE + n : n * circles + at - circles)
}

function groupsOf(phone: number, count: number): number[] {
  const circles = Math.floor(count / GROUP_SIZE)
  return phone < circles * GROUP_SIZE ? [Math.floor(phone / GROUP_SIZE), circles + phone % circles] : []
}

/** Everybody has made a device known, is in two groups and has written to its friends: a first message costs more than the others. */
async function acquaint(port: number, users: readonly string[]): Promise<void> {
  const count = users.length
  const circles = Math.floor(count / GROUP_SIZE)
  await pool(users, async (user, at) => {
    const one = client(port, at, RING)
    await open(one, user)
    let accepted = 0
    one.onAccepted(() => { accepted++ })
    for (const friend of friendsOf(at, count)) one.send(users[friend]!, text(0), 0)
    if (!await until(() => accepted === FRIENDS.length, CATCH_UP_MS)) throw new Error(`${user}: no ack`)
    await one.close()
  })
  await pool(Array.from({ length: 2 * circles }, (_, at) => at), async (at) => {
    const [owner = 0, ...others] = membersOf(at, count)
    const one = client(port, at, RING)
    await open(one, users[owner]!)
    await one.createGroup(`#g${String(at)}`, others.map((member) => users[member]!))
    await one.close()
  }, GROUPS_AT_ONCE)
}

function friendsOf(phone: number, count: number): number[] {
  return FRIENDS.map((distance) => (phone + distance) % count)
}

interface Lived extends Stretch {
  readonly p50Ms: number
  /** Infinity: given up, since more and more was outstanding. */
  readonly p99Ms: number
  readonly messages: number
  readonly returns: number
}

class Crowd {
  readonly #server: ServerProcess
  readonly #users: readonly string[]
  readonly #phones: Phone[]
  readonly #random = seeded(SEED)
  /** When each message was due, by the number in its text; those of long ago are overwritten. */
  readonly #dueMs = new Float64Array(1 << 20)
  #sent = 0
  #expected = 0
  #delivered = 0
  #returns = 0
  #failure: Error | null = null
  #latencies: number[] = []
  #looking: Later[] = []
  #away: Later[] = []

  constructor(server: ServerProcess, users: readonly string[]) {
    this.#server = server
    this.#users = users
    this.#phones = users.map((user, at) => new Phone(at, user, client(server.port, at, RING)))
  }

  /** Deliveries that have not come; below 0: more came than were sent. */
  get missing(): number {
    return this.#expected - this.#delivered
  }

  async arrive(): Promise<void> {
    await pool(this.#phones, async (phone) => this.#return(phone), LOGINS_AT_ONCE)
    await quiet(this.#server.pid)
    // What waited from before does not count.
    this.#returns = this.#delivered = 0
  }

  async leave(): Promise<void> {
    await closeAll(this.#phones.filter((phone) => phone.isHere).map((phone) => phone.client))
  }

  /** Lives for so long, each connection for as many phones; resolves when everything has been delivered. */
  async live(level: number, durationMs: number): Promise<Lived> {
    const scale = this.#phones.length * level
    const startMs = performance.now()
    const messages = new RandomTimes(scale / MESSAGE_EVERY_S, startMs, this.#random)
    const returns = new RandomTimes(scale / RETURN_EVERY_S, startMs, this.#random)
    const backlogMax = Math.max(100, BACKLOG_S * scale / MESSAGE_EVERY_S * (1 - GROUP_SHARE + GROUP_SHARE * (GROUP_SIZE - 1)))
    let end: ((units: number) => Stretch) | null = null
    let before = [0, 0, 0] as [number, number, number]
    let isOver = false
    for (let nowMs = startMs; nowMs < startMs + WARM_UP_MS + durationMs && !isOver; nowMs = performance.now()) {
      if (end === null && nowMs >= startMs + WARM_UP_MS) {
        end = measureStretch(this.#server.pid)
        before = [this.#delivered, this.#sent, this.#returns]
        this.#latencies = []
      }
      for (let dueMs = messages.due(nowMs); dueMs !== null; dueMs = messages.due(nowMs)) this.#write(dueMs, level)
      for (let dueMs = returns.due(nowMs); dueMs !== null; dueMs = returns.due(nowMs)) this.#breakOff(nowMs, level)
      this.#takeDue(nowMs)
      isOver = this.missing > backlogMax
      await sleep(1)
      if (this.#failure !== null) throw this.#failure
    }
    const seconds = (performance.now() - startMs - WARM_UP_MS) / 1000
    const stretch = (end ?? measureStretch(this.#server.pid))(this.#delivered - before[0])
    // Before those who are away are called back, all at once.
    const sorted = Float64Array.from(this.#latencies).sort()
    const [sent, returned] = [this.#sent - before[1], this.#returns - before[2]]
    await this.#catchUp()
    return {
      ...stretch, p50Ms: percentile(sorted, 0.5), p99Ms: isOver ? Infinity : percentile(sorted, 0.99), messages: sent / seconds, returns: returned / seconds,
    }
  }

  /** Whether deliveries stay fast with so many phones for each connection. */
  async bears(level: number, durationMs: number): Promise<boolean> {
    const { p99Ms, serverCores } = await this.live(level, durationMs)
    // A search takes minutes; who waits sees how it goes.
    console.error(`phones: ${String(Math.round(level * this.#phones.length))}: p99 ${p99Ms.toFixed(0)} ms, ${serverCores?.toFixed(2) ?? 'n/a'} cores`)
    return p99Ms < P99_MAX_MS
  }

  /** Everybody returns, and everything comes. What is still missing then is lost. */
  async #catchUp(): Promise<void> {
    const everybody = (): boolean => {
      this.#takeDue(Infinity)
      return this.#phones.every((phone) => phone.isHere) && this.missing === 0
    }
    await until(everybody, CATCH_UP_MS)
    if (this.#failure !== null) throw this.#failure
    await quiet(this.#server.pid, 3000)
  }

  /** One who is there writes, and looks at those it writes to. */
  #write(dueMs: number, level: number): void {
    const phone = this.#pick((each) => each.client.unanswered < RING)
    if (phone === null) return
    const id = this.#sent++
    this.#dueMs[id % this.#dueMs.length] = dueMs
    const count = this.#phones.length
    const groups = this.#random() < GROUP_SHARE ? groupsOf(phone.at, count) : []
    const group = groups[Math.floor(this.#random() * groups.length)]
    const friend = friendsOf(phone.at, count)[Math.floor(this.#random() * FRIENDS.length)]!
    const others = group === undefined ? [friend] : membersOf(group, count).filter((each) => each !== phone.at)
    this.#expected += others.length
    if (!phone.isLooking) {
      phone.isLooking = true
      phone.client.look(others.slice(0, WATCHED).map((each) => this.#users[each]!))
      this.#looking.push({ dueMs: dueMs + LOOK_S * 1000 / level, phone })
    }
    phone.client.send(group === undefined ? this.#users[friend]! : `#g${String(group)}`, text(id), id)
  }

  /** A phone goes out of reach. Without an unanswered message: those it would have to send again. */
  #breakOff(nowMs: number, level: number): void {
    const phone = this.#pick((each) => each.client.unanswered === 0)
    if (phone === null) return
    phone.isHere = false
    void phone.client.close().then(() => { this.#away.push({ dueMs: nowMs + AWAY_S * 1000 / level, phone }) })
  }

  #takeDue(nowMs: number): void {
    this.#looking = takeDue(this.#looking, nowMs, (phone) => {
      phone.isLooking = false
      if (phone.isHere) phone.client.lookAway()
    })
    this.#away = takeDue(this.#away, nowMs, (phone) => {
      this.#return(phone).catch((error: unknown) => { this.#failure ??= asError(error) })
    })
  }

  /** Comes with its token, in the background, and takes what waited. */
  async #return(phone: Phone): Promise<void> {
    const one = phone.client = client(this.#server.port, phone.at, RING)
    phone.sinceMs = performance.now()
    one.onDelivery((_, received) => {
      this.#delivered++
      this.#latencies.push(performance.now() - Math.max(this.#dueMs[idOf(received) % this.#dueMs.length]!, phone.sinceMs))
    })
    await open(one, phone.user)
    one.lookAway()
    phone.isLooking = false
    phone.isHere = true
    this.#returns++
  }

  /** Anybody who is there and for whom the claim holds; null: hardly anybody. */
  #pick(claim: (phone: Phone) => boolean): Phone | null {
    for (let tries = 0; tries < 100; tries++) {
      const phone = this.#phones[Math.floor(this.#random() * this.#phones.length)]!
      if (phone.isHere && claim(phone)) return phone
    }
    return null
  }
}

/** What is left of a list in which the first is due first. */
function takeDue(list: Later[], nowMs: number, act: (phone: Phone) => void): Later[] {
  let count = 0
  while (count < list.length && list[count]!.dueMs <= nowMs) act(list[count++]!.phone)
  return count === 0 ? list : list.slice(count)
}
