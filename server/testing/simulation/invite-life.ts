/**
 * Invites, and the people who come by them: a code makes no more accounts than it has uses, whatever is lost on the way; who was told
 * that it is registered is; who asks again uses nothing. [INV-5, INV-7, INV-9, INV-13]
 */
import type { Verifier } from '../../router/router.js'
import { Breach } from './breach.js'
import { ignore, type Life, type Scene } from './scene.js'

interface Code {
  readonly id: string
  readonly secretHash: Uint8Array
  readonly uses: number
  isMade: boolean
  /** Somebody wants it revoked: one that nobody has used may go. */
  isUnwanted: boolean
  /** Revoking was answered. */
  isRevoked: boolean
  /** Whoever has tried it: names are not used with another one. */
  readonly guests: Guest[]
}

interface Guest {
  readonly name: string
  readonly verifier: Verifier
  isRegistered: boolean
}

export class InviteLife implements Life {
  readonly #scene: Scene
  readonly #codes: Code[] = []

  constructor(scene: Scene) {
    this.#scene = scene
  }

  act(): string {
    const { random } = this.#scene
    if (this.#codes.length === 0 || random.chance(0.1)) return this.#make()
    const code = random.pick(this.#codes)
    if (random.chance(0.06)) return this.#revoke(code)
    return this.#register(code)
  }

  #make(): string {
    const { random, server } = this.#scene
    const number = this.#scene.nextNumber()
    const code: Code = {
      id: `code${String(number).padStart(4, '0')}`, secretHash: new Uint8Array(32).fill(number), uses: 1 + random.below(3), isMade: false, isUnwanted: false, isRevoked: false, guests: [],
    }
    const { id, secretHash, uses } = code
    const maker = random.chance(0.5) ? '' : random.pick(this.#scene.users)
    this.#codes.push(code)
    ignore(this.#scene, server.router.makeInvite({ id, secretHash, maker, uses, expiresMs: 0, allowance: null }).then(() => { code.isMade = true }))
    return `${maker === '' ? 'the operator' : maker} makes ${id} for ${String(uses)}`
  }

  #revoke(code: Code): string {
    code.isUnwanted = true
    ignore(this.#scene, this.#scene.server.router.revokeInvite(null, code.id).then(() => { code.isRevoked = true }))
    return `${code.id} is revoked`
  }

  #register(code: Code): string {
    const { random, server } = this.#scene
    // Whoever has asked before may have come, and is only told so again.
    let guest = random.chance(0.5) && code.guests.length > 0 ? random.pick(code.guests) : undefined
    const isNew = guest === undefined
    if (guest === undefined) {
      const number = this.#scene.nextNumber()
      const storedKey = new Uint8Array(32).fill(number)
      guest = { name: `guest${String(number)}`, verifier: { salt: storedKey.subarray(16), iterations: 4096, storedKey, serverKey: storedKey }, isRegistered: false }
      code.guests.push(guest)
    }
    const { name, verifier } = guest
    const comer = guest
    const mayCome = !code.isRevoked || !isNew
    const asked = server.router.register({ user: name, verifier, invite: { id: code.id, secretHash: code.secretHash }, isKeptBack: false })
    ignore(this.#scene, asked.then(() => {
      comer.isRegistered = true
      if (!mayCome) throw new Breach(`${name} came by ${code.id}, which was revoked`)
    }))
    return `${name} comes by ${code.id}`
  }

  async check(): Promise<void> {
    const { router } = this.#scene.server
    const { invites } = await this.#scene.finish(router.invites(null, '', 100))
    for (const code of this.#codes) {
      const came: string[] = []
      for (const { name, isRegistered } of code.guests) {
        const account = await this.#scene.finish(router.account(name))
        if (account !== null) came.push(name)
        else if (isRegistered) throw new Breach(`${name} was registered, and there is no such account`)
      }
      const info = invites.find(({ id }) => id === code.id)
      if (info === undefined && ((code.isMade && !code.isUnwanted) || came.length > 0)) throw new Breach(`${code.id} was made, and is not listed`)
      if (came.length > code.uses) throw new Breach(`${code.id} of ${String(code.uses)} uses made ${came.join(', ')}`)
      if (info !== undefined && info.used !== came.length) throw new Breach(`${code.id} was used ${String(info.used)} times, and made ${came.join(', ')}`)
    }
  }
}
