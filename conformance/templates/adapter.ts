/**
 * An adapter for the conformance suite of chatd: replace what says TODO by calls of your client.
 *
 *     chat-conformance client state/messages/a-message-comes --trace -- node adapter.ts
 *
 * It reads one JSON object a line from stdin and answers each with one line on stdout; logs belong on stderr. What a command means is told
 * in conformance/README.md. It runs as it is (Node 22.18 or later runs TypeScript, earlier ones what tsc makes of it): a command that is
 * still to do fails with its TODO, one that is not here is unsupported.
 */
import { createInterface } from 'node:readline'

/**
 * What your client can do, by the names in conformance/cases/features.json. Begin with these four; add others as they work: markRead,
 * operations, typing, presence, background, clock, groups, sync, history, disconnect, unread, websocket, stop.
 */
const features = ['start', 'connect', 'send', 'dump']

interface Start {
  readonly server: string
  readonly user: string
  readonly device: string
  readonly password: string
  readonly storage: string
}

/** The client itself refuses something: throw it with the name of the error, such as `text-too-long`. */
export class Refused extends Error {}

class Todo extends Error {}

type Answer = Readonly<Record<string, unknown>>

/** By name, what each command does. What it returns is in the answer. */
const commands = {
  features: (): Answer => ({ features, name: 'my client' }),

  /** Opens what the client keeps in the folder `storage`: after a kill what was there goes on. Nothing connects yet. */
  start: (_: Start): Answer => {
    // client = new Client({ server, user, device, password, storage })
    throw new Todo('start: make your client, with its storage in the folder that is given')
  },

  /** Lets it connect and stay connected, and returns at once. */
  connect: (): Answer => {
    throw new Todo('connect: let your client connect in the background, and reconnect by the rules of the protocol')
  },

  /** Returns when the message is on stable storage, connected or not. */
  send: (_: { readonly to: string; readonly text: string }): Answer => {
    throw new Todo('send: put the message into the outbox of your client')
  },

  /** What a person would see now, of a client that was restarted too. Messages stand in the order in which they are shown. */
  dump: (): Answer => {
    // return {
    //   state: 'online', // idle, connecting, waiting, online, stopped
    //   error: '', // why it stopped: the name of the error
    //   messages: [{ conversation: 'bob', seq: 1, from: 'bob', text: 'good night' }],
    //   outbox: [{ to: 'bob', text: 'not acked yet' }],
    //   refused: [{ to: 'bob', text: 'never', error: 'no-such-user' }],
    // }
    throw new Todo('dump: say what your client shows')
  },

  // Later, each with its feature:
  // markRead: async ({ conversation, seq }) => …
  // history: async ({ conversation }) => …
  // stop: () => …, forgets the case without a word; saves the start of a process for each case
}

async function answer(name: string, request: Answer): Promise<Answer> {
  if (!Object.hasOwn(commands, name)) return { unsupported: true }
  try {
    const command = commands[name as keyof typeof commands] as (request: Answer) => Answer | Promise<Answer>
    return await command(request)
  } catch (error) {
    if (error instanceof Refused) return { refused: error.message }
    return { error: error instanceof Todo ? `TODO ${error.message}` : String(error) }
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, do: name, ...request } = JSON.parse(line) as { readonly id: number; readonly do: string }
  void answer(name, request).then((found) => { process.stdout.write(`${JSON.stringify({ id, ...found })}\n`) })
}).on('close', () => { process.exit(0) })
