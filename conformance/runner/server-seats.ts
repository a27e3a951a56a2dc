/** Who takes part in a case with a server: devices of the people that it speaks of, and their connections. */
import type { Account } from './accounts.js'
import type { Target } from './dial.js'
import type { Role, ServerStep } from './server-case.js'
import { ServerConnection, type ServerConnectionHost } from './server-connection.js'
import { DeviceRecord } from './server-referee.js'
import { Seat } from './server-seat.js'
import type { Signal } from './signal.js'
import { CaseFault, type Variables } from './variables.js'
import { CaseFailed } from './verdict.js'

export interface SeatsOptions {
  readonly target: Target
  readonly accounts: ReadonlyMap<Role, Account>
  /** What a device of the case is called at the server. */
  readonly deviceId: (device: string) => string
  readonly host: ServerConnectionHost
  readonly signal: Signal
  readonly variables: Variables
  /** Throws where a rule was broken. */
  readonly check: () => void
}

export class Seats {
  readonly #options: SeatsOptions
  readonly #seats = new Map<string, Seat>()
  /** What each device knows from one connection to the next. */
  readonly #records = new Map<string, DeviceRecord>()
  readonly #connections: ServerConnection[] = []
  #isOver = false

  constructor(options: SeatsOptions) {
    this.#options = options
  }

  [Symbol.iterator](): Iterator<Seat> {
    return this.#seats.values()
  }

  /** The seat of `ROLE/DEVICE`, or of another connection of that device, `ROLE/DEVICE#NUMBER`. */
  seat(name: string): Seat {
    const { accounts, deviceId, variables, signal, check } = this.#options
    const filled = variables.fill(name)
    const found = this.#seats.get(filled)
    if (found !== undefined) return found
    const [role = '', device = ''] = filled.replace(/#.*$/, '').split('/')
    const account = accounts.get(role as Role)
    if (account === undefined || device === '') throw new CaseFault(`nobody is called ${name}`)
    const key = `${role}/${device}`
    const record = this.#records.get(key) ?? new DeviceRecord()
    this.#records.set(key, record)
    const seat = new Seat({ account, device: deviceId(device), record, variables, signal, check })
    this.#seats.set(filled, seat)
    return seat
  }

  /** Connects it; null where the connection was to be refused, and was. */
  async connect(seat: Seat, { refused, ...twist }: NonNullable<ServerStep['connect']> = {}): Promise<ServerConnection | null> {
    const { target, host, variables } = this.#options
    const number = this.#connections.length + 1
    host.trace.add('client', number, `connects as ${seat.account.name}/${seat.device}`)
    let connection: ServerConnection
    try {
      connection = await ServerConnection.open(number, target, twist, seat.record, host)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      host.trace.add('server', number, `refuses the connection: ${why}`)
      if (refused === true) return null
      throw new CaseFailed('fail', 'a connection', why)
    }
    this.#connections.push(connection)
    // The time may have been up meanwhile.
    if (this.#isOver) connection.drop()
    seat.connection = connection
    for (const [name, value] of Object.entries(connection.facts)) variables.set(name, value)
    if (refused === true) throw new CaseFailed('fail', 'the transport to be refused', `it came to be: ${JSON.stringify(connection.facts)}`)
    return connection
  }

  /** Looks whether any has been silent for too long. */
  keepAlive(): void {
    for (const connection of this.#connections) connection.keepAlive()
  }

  drop(): void {
    for (const connection of this.#connections) connection.drop()
  }

  /** The case is over: what still connects is dropped. */
  close(): void {
    this.#isOver = true
    this.drop()
  }
}
