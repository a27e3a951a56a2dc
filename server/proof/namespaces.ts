/**
 * A network of the kernel's for a proof: every place has a network namespace of its own, joined with the others by a bridge. The program
 * that makes it runs in a namespace of its own itself (`apart`), where it is alone: no interface of the machine is seen there, let alone
 * touched, and whatever is left goes with the last process.
 *
 *     clients = the program itself, 10.77.0.1 on the bridge
 *        |
 *     [ bridge ]---veth---[ n1 10.77.0.11 ]        slowed down:  [ bridge ]--vxlan==UDP== BadLine ==UDP==vxlan--[ bridge of its own ]---veth---[ n1 ]
 *        |  |------veth---[ n2 10.77.0.12 ]
 *        |---------veth---[ redis 10.77.0.10 ]
 *
 * A cut is a wrong hardware address in the sender's table of neighbours: the frame leaves, and nobody takes it. That needs no filter and
 * no queueing discipline, which kernels are often without, works one way at a time, and looks from both ends as a broken path does:
 * nothing comes, and nobody says so.
 */
import { spawnSync } from 'node:child_process'
import { BadLine } from './bad-line.js'
import { type Line, type Network, type NetworkPlace, REDIS } from './network.js'
import type { Scope } from './scope.js'

/** Of every namespace and interface. */
const PREFIX = 'chatdp'
const BRIDGE = `${PREFIX}-br`
const CLIENTS_HOST = '10.77.0.1'
/** Given, since a bridge takes that of one of its ports otherwise. */
const CLIENTS_HARDWARE = '02:00:00:00:00:01'
/** Between the bad line's two ends, see `slow`. */
const WIRE = `${PREFIX}-wire`
const WIRE_HOST = '10.78.0.1'
const WIRE_FAR_HOST = '10.78.0.2'
/** Nobody's hardware address. */
const NOWHERE = '02:ff:00:00:00:ff'

/** In front of a command line: it runs in network, mount and process namespaces of its own, which end with it. */
const APART = ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child']

/** The same for whoever is not root, where the kernel allows it. */
const APART_AS_USER = ['unshare', '--user', '--map-root-user', ...APART.slice(1)]

/** What a command line has to begin with so that it may make a network; or why there can't be one. */
export function apart(): readonly string[] | string {
  const tries = [APART, APART_AS_USER].map((command) => {
    const script = `${HIDE_RUN} && ip netns add ${PREFIX}-a && ip link add ${PREFIX}-v type veth peer name eth0 netns ${PREFIX}-a && ip link add ${BRIDGE} type bridge && ip netns exec ${PREFIX}-a true`
    const { status, stderr, error } = spawnSync(command[0]!, [...command.slice(1), 'sh', '-c', script], { encoding: 'utf8' })
    return { command, why: status === 0 ? '' : (error?.message ?? stderr).trim().split('\n')[0] ?? '' }
  })
  return tries.find(({ why }) => why === '')?.command ?? `network namespaces can't be made here (${tries[0]!.why})`
}

/** Names of namespaces are files below /run: this program has one of its own, which nobody else sees. */
const HIDE_RUN = 'mount --make-rprivate / && mount -t tmpfs none /run'

interface Place {
  readonly namespace: string
  readonly host: string
  readonly hardware: string
  /** Its end at the bridge. */
  readonly port: string
}

export class Namespaces implements Network {
  readonly #places = new Map<string, Place>()
  readonly #line: BadLine | null
  /** Of the places that are slowed down. */
  #slowed: string[] = []
  readonly #cuts = new Set<string>()

  private constructor(names: readonly string[], line: BadLine | null) {
    names.forEach((name, at) => {
      const number = name === REDIS ? 10 : 11 + at
      this.#places.set(name, {
        namespace: `${PREFIX}-${name}`, host: `10.77.0.${String(number)}`, hardware: `02:00:00:00:00:${String(number)}`, port: `${PREFIX}-v${String(number)}`,
      })
    })
    this.#line = line
  }

  /** For a program that `apart` has started. Removed with the scope. */
  static async make(scope: Scope, nodes: readonly string[], random: () => number): Promise<Namespaces> {
    run('sh', ['-c', HIDE_RUN])
    ip([`link set lo up`, `link add ${BRIDGE} address ${CLIENTS_HARDWARE} type bridge`, `addr add ${CLIENTS_HOST}/24 dev ${BRIDGE}`, `link set ${BRIDGE} up`])
    scope.after(() => { ip([`link del ${BRIDGE}`]) })
    const line = await makeWire(scope, random)
    const network = new Namespaces([...nodes, REDIS], line)
    network.#build(scope)
    return network
  }

  #build(scope: Scope): void {
    const all = [...this.#places.values()]
    for (const place of all) {
      const { namespace, port, hardware, host } = place
      run('ip', ['netns', 'add', namespace])
      scope.after(() => { run('ip', ['netns', 'del', namespace]) })
      ip([`link add ${port} type veth peer name eth0 address ${hardware} netns ${namespace}`, `link set ${port} master ${BRIDGE} up`])
      // One segment a packet: the bad line carries packets of the line's size alone.
      inside(namespace, [
        'link set lo up', 'link set eth0 gso_max_segs 1 up', `addr add ${host}/24 dev eth0`, `neigh replace ${CLIENTS_HOST} lladdr ${CLIENTS_HARDWARE} dev eth0 nud permanent`,
        ...all.filter((other) => other !== place).map((other) => neighbour(other, other.hardware)),
      ])
      ip([`neigh replace ${host} lladdr ${hardware} dev ${BRIDGE} nud permanent`])
    }
    ip([`link set ${BRIDGE} gso_max_segs 1`])
  }

  /** Whether lines can be made bad; without, `slow` throws. */
  get canSlow(): boolean { return this.#line !== null }

  place(name: string): NetworkPlace {
    const { host, namespace } = this.#of(name)
    return { host, through: ['ip', 'netns', 'exec', namespace] }
  }

  reach(_from: string, to: string, port: number): Promise<string> {
    return Promise.resolve(`${this.#of(to).host}:${String(port)}`)
  }

  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`)
    inside(this.#of(from).namespace, [neighbour(this.#of(to), NOWHERE)])
  }

  slow(names: readonly string[], line: Line): void {
    if (this.#line === null) throw new Error('this kernel has no vxlan')
    this.#line.quality = line
    for (const name of names) {
      const { port } = this.#of(name)
      const own = `${port}b`
      const [near, far] = [`${port}x`, `${port}y`]
      const number = 2 * (this.#slowed.length + 1)
      // Made where the line's other end is not at home: the kernel would join two ends of one machine behind the line's back.
      inside(WIRE, [near, far].map((end, at) => `link add ${end} type vxlan id ${String(number + at)} remote ${WIRE_HOST} dstport ${String(BadLine.PORT)}`))
      inside(WIRE, [near, far].map((end) => `link set ${end} netns ${String(process.pid)}`))
      ip([
        `link add ${own} type bridge`, `link set ${own} up`, `link set ${near} mtu 1500 master ${BRIDGE} up`, `link set ${far} mtu 1500 master ${own} up`, `link set ${port} master ${own}`,
      ])
      this.#slowed.push(port)
    }
  }

  heal(): void {
    for (const cut of this.#cuts) {
      const [from, to] = cut.split(' ')
      const other = this.#of(to!)
      inside(this.#of(from!).namespace, [neighbour(other, other.hardware)])
    }
    this.#cuts.clear()
    for (const port of this.#slowed) ip([`link set ${port} master ${BRIDGE}`, `link del ${port}x`, `link del ${port}y`, `link del ${port}b`])
    this.#slowed = []
  }

  #of(name: string): Place {
    const place = this.#places.get(name)
    if (place === undefined) throw new TypeError(`there is no place ${name}`)
    return place
  }
}

/** A bad line through which ends can be joined; null: this kernel has no vxlan. */
async function makeWire(scope: Scope, random: () => number): Promise<BadLine | null> {
  run('ip', ['netns', 'add', WIRE])
  scope.after(() => { run('ip', ['netns', 'del', WIRE]) })
  ip([`link add ${PREFIX}-w type veth peer name eth0 netns ${WIRE}`, `addr add ${WIRE_HOST}/24 dev ${PREFIX}-w`, `link set ${PREFIX}-w up`])
  inside(WIRE, [`addr add ${WIRE_FAR_HOST}/24 dev eth0`, 'link set eth0 up'])
  try {
    inside(WIRE, [`link add ${PREFIX}-try type vxlan id 1 remote ${WIRE_HOST} dstport ${String(BadLine.PORT)}`, `link del ${PREFIX}-try`])
  } catch {
    return null
  }
  const line = await BadLine.open(WIRE_HOST, WIRE_FAR_HOST, random)
  scope.after(() => { line.close() })
  return line
}

function neighbour({ host }: Place, hardware: string): string {
  return `neigh replace ${host} lladdr ${hardware} dev eth0 nud permanent`
}

function ip(lines: readonly string[]): void {
  run('ip', ['-batch', '-'], lines.join('\n'))
}

function inside(namespace: string, lines: readonly string[]): void {
  run('ip', ['-n', namespace, '-batch', '-'], lines.join('\n'))
}

function run(command: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { input: `${input}\n`, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ${input}: ${error?.message ?? stderr}`)
  return stdout
}
