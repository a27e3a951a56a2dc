/** An operator who disables accounts: they are let in and told nothing, and miss nothing once they are enabled again. [INV-15] */
import { Breach } from './breach.js'
import { Known, type Life, type Scene } from './scene.js'

/** Which accounts are disabled. */
export class AccessOracle {
  readonly #disabled = new Map<string, Known<boolean>>()

  of(user: string): Known<boolean> {
    let known = this.#disabled.get(user)
    if (known === undefined) this.#disabled.set(user, known = new Known(false))
    return known
  }

  abandon(): void {
    for (const known of this.#disabled.values()) known.abandon()
  }

  /** A session of the user has begun that was asked for at this version. */
  begun(user: string, version: number): void {
    const known = this.of(user)
    if (known.version === version && known.value === true) throw new Breach(`${user} was let in, and is disabled`)
  }

  /** A session of the user is told something. */
  told(user: string): void {
    if (this.of(user).value === true) throw new Breach(`${user} is disabled, and its session goes on`)
  }
}

export class AccessLife implements Life {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  act(): string {
    const { random, users } = this.#scene
    const user = random.pick(users)
    return this.#set(user, this.#scene.oracle.access.of(user).value === false && random.chance(0.6))
  }

  #set(user: string, disabled: boolean): string {
    const known = this.#scene.oracle.access.of(user)
    if (known.isAsked) return `the operator waits for ${user}`
    known.ask(this.#scene, () => disabled, this.#scene.server.router.setDisabled(user, disabled))
    return `${user} is ${disabled ? 'disabled' : 'enabled'}`
  }

  isAtRest(): boolean {
    const shut = this.#scene.users.filter((user) => this.#scene.oracle.access.of(user).value !== false)
    for (const user of shut) this.#set(user, false)
    return shut.length === 0
  }
}
