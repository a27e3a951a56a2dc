/** Accounts for cases: two that are given and shared by all, or fresh ones for each case, which the server lets the suite register. */
import { createHash, randomBytes } from 'node:crypto'
import { encodeFrame, frameToXml } from './frame-xml.js'
import { StreamDecoder } from './decode.js'
import type { WireFrame } from './decode.js'
import { dial } from './dial.js'
import type { Target } from './dial.js'
import { verifierOf } from './scram-client.js'
import { roles } from './server-case.js'
import type { Role } from './server-case.js'
import { registry } from '../spec/registry.js'
import { Signal } from './signal.js'

export interface Account {
  readonly name: string
  readonly password: string
}

/** The server, or what was said of it, does not let the run begin; its message is for people. */
export class AccountFailure extends Error {}

/** What `features` says of registration. [INV-1] */
export interface Registration {
  /** 1: everybody, 2: who has an invite. */
  readonly who: number
  readonly iterations: number
}

export interface Accounts {
  /** Whether each case has people of its own. */
  readonly areFresh: boolean
  /** Those of a case. Throws an AccountFailure. */
  lease(id: string, wanted: readonly Role[]): Promise<ReadonlyMap<Role, Account>>
}

/** Part of the names of everything that a case makes: unlike in each run. */
export function markOf(run: string, id: string): string {
  return `${run}-${createHash('sha256').update(id).digest('hex').slice(0, 6)}`
}

/** Whether a name ends as those do that runs make. */
export function isMarked(name: string): boolean {
  return /-[0-9a-f]{6}-[0-9a-f]{6}$/.test(name)
}

export class SharedAccounts implements Accounts {
  readonly areFresh = false
  readonly #accounts: ReadonlyMap<Role, Account>

  constructor(user: Account, other: Account) {
    this.#accounts = new Map([['alice', user], ['bob', other]])
  }

  async lease(): Promise<ReadonlyMap<Role, Account>> {
    return this.#accounts
  }
}

export class RegisteredAccounts implements Accounts {
  readonly areFresh = true
  /** Of all of them: nobody but the run ever logs in. */
  readonly #password = randomBytes(18).toString('base64')
  readonly #salt = randomBytes(16)
  readonly #target: Target
  readonly #invite: string
  readonly #run: string

  /** `run`: part of every name. */
  constructor(target: Target, invite: string, run: string) {
    this.#target = target
    this.#invite = invite
    this.#run = run
  }

  async lease(id: string, wanted: readonly Role[]): Promise<ReadonlyMap<Role, Account>> {
    const mark = markOf(this.#run, id)
    const accounts = new Map<Role, Account>()
    for (const role of roles.filter((one) => wanted.includes(one))) {
      const name = `${role}-${mark}`
      await this.#register(name)
      accounts.set(role, { name, password: this.#password })
    }
    return accounts
  }

  async #register(name: string): Promise<void> {
    const greeting = await greet(this.#target)
    try {
      const offer = registrationOf(greeting.features)
      if (offer === null) throw new AccountFailure('the server takes no registrations here: leave --register away and name two accounts, or open it')
      const { salt, iterations, storedKey, serverKey } = await verifierOf(this.#password, this.#salt, offer.iterations)
      const answer = await greeting.ask({
        frame: 'register',
        values: { user: name, invite: this.#invite, salt: salt.toString('hex'), iterations, storedKey: storedKey.toString('hex'), serverKey: serverKey.toString('hex') },
        extensions: {},
      })
      if (answer?.frame !== 'registered') throw new AccountFailure(`the server does not register ${name}: ${answer === null ? 'no answer' : frameToXml(answer)}`)
    } finally {
      greeting.end()
    }
  }
}

export interface Greeting {
  readonly features: WireFrame
  /** The next frame but ping, or null where none comes. */
  ask(frame: WireFrame): Promise<WireFrame | null>
  end(): void
}

const answerTimeoutMs = 20_000

/** Connects, says hello and hears features. Throws an AccountFailure where that is not what happens. */
export async function greet(target: Target): Promise<Greeting> {
  const signal = new Signal()
  const decoder = new StreamDecoder()
  const inbox: WireFrame[] = []
  let isOver = false
  const handlers = {
    onData: (bytes: Uint8Array): void => {
      decoder.push(bytes)
      for (let decoded = decoder.next(Infinity); decoded !== null; decoded = decoder.next(Infinity)) if (decoded.frame !== null) inbox.push(decoded.frame)
      signal.notify()
    },
    onOdd: (): void => {},
    onGone: (): void => {},
    onEnd: (): void => {
      isOver = true
      signal.notify()
    },
  }
  const { pipe } = await dial(target, {}, handlers).catch((error: unknown) => {
    throw new AccountFailure(`no connection to the server: ${error instanceof Error ? error.message : String(error)}`)
  })
  const ask = async (frame: WireFrame): Promise<WireFrame | null> => {
    pipe.write(encodeFrame(frame))
    const answer = await signal.until(performance.now() + answerTimeoutMs, () => inbox.shift() ?? (isOver ? 'over' : null))
    return answer === 'over' ? null : answer
  }
  const features = await ask({ frame: 'hello', values: { versions: [registry.version], agent: 'chat-conformance' }, extensions: {} })
  if (features?.frame !== 'features') {
    pipe.reset()
    throw new AccountFailure(`the server does not answer hello: ${features === null ? 'nothing came' : frameToXml(features)}`)
  }
  return { features, ask, end: () => { pipe.reset() } }
}

/** null: nobody registers here. */
export function registrationOf({ extensions }: WireFrame): Registration | null {
  const key = registry.extensions.find(({ name }) => name === 'registration')!.key
  const hex = extensions[key]
  if (hex === undefined) return null
  const numbers: number[] = []
  let value = 0
  let shift = 0
  for (const byte of Buffer.from(hex, 'hex')) {
    value += (byte & 0x7f) * 2 ** shift
    shift += 7
    if (byte >= 0x80) continue
    numbers.push(value)
    value = 0
    shift = 0
  }
  const [who, iterations] = numbers
  return (who === 1 || who === 2) && iterations !== undefined ? { who, iterations } : null
}
