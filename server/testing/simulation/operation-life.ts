/** What people do to messages that their device has, their own most of all; to those of others too, which is to be refused. */
import { conversationName } from '../../shard/conversation-name.js'
import type { SimDevice } from './device.js'
import type { OperationName } from './operation-oracle.js'
import { GROUP } from './group-oracle.js'
import type { Life, Scene } from './scene.js'

const EMOJI = ['👍', '😂', ''] as const

/** null: there is nothing to do it to. `isFree`: not only reactions. */
export function anyOperation(
  scene: Pick<Scene, 'random' | 'nextNumber'>, device: SimDevice, to: string, isFree: boolean,
): { kind: OperationName; target: number; text: string } | null {
  const { random } = scene
  const name = conversationName(device.user, to)
  const seqs = (device.received.get(name) ?? []).filter((seq) => device.view(name).get(seq) !== null)
  const own = device.ownSeqs.get(name) ?? []
  const isOwn = isFree && own.length > 0 && random.chance(0.7)
  if ((!isFree && device.user === to) || (!isOwn && seqs.length === 0)) return null
  const target = random.pick(isOwn ? own.slice(-3) : seqs.slice(-3))
  const dice = isFree ? random.below(10) : 9
  if (dice < 4) return { kind: 'edit', target, text: `${device.user}/${device.id} edits ${String(scene.nextNumber())}` }
  if (dice < 7) return { kind: 'delete', target, text: '' }
  return { kind: 'react', target, text: random.pick(EMOJI) }
}

/** Above this a device waits for answers first. */
export const OUTBOX_MAX = 6

export class OperationLife implements Life {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  act(): string {
    const { random, devices, users } = this.#scene
    const device = random.pick(devices)
    const who = `${device.user}/${device.id}`
    const known = [GROUP, ...users].filter((each) => {
      const name = conversationName(device.user, each)
      return device.ownSeqs.has(name) || device.received.has(name)
    })
    const to = known.length === 0 ? GROUP : random.pick(known)
    const operation = device.outbox.length >= OUTBOX_MAX ? null : anyOperation(this.#scene, device, to, true)
    if (operation === null) return `${who} changes nothing`
    const { kind, target, text } = operation
    device.operate(to, kind, target, text)
    return `${who}: ${kind} '${text}' of ${String(target)} of ${to}`
  }
}
