/** Asks the server for everything that a user may see, as a device that has lost all it knew would. */
import { Client } from '../../protocol/client/node.js'
import type { ArchivedMessage } from './record.js'

const PAGE = 100
/** Users asked at the same time. */
const AT_ONCE = 8

/** All conversations of all users, whole. */
export async function readArchive(url: string, users: readonly string[]): Promise<Map<string, Map<string, ArchivedMessage[]>>> {
  const archive = new Map<string, Map<string, ArchivedMessage[]>>()
  const waiting = [...users]
  const work = async (): Promise<void> => {
    for (let user = waiting.pop(); user !== undefined; user = waiting.pop()) archive.set(user, await readOne(url, user))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return archive
}

async function readOne(url: string, user: string): Promise<Map<string, ArchivedMessage[]>> {
  const client = new Client({ server: url, user, password: `pw-${user}`, device: 'auditor', allowPlaintext: true })
  try {
    await client.connect()
    const conversations = new Map<string, ArchivedMessage[]>()
    for await (const { conversation } of client.allConversations()) {
      const messages: ArchivedMessage[] = []
      for (let more = true; more;) {
        const page = await whenAllowed(() => client.history(conversation, { after: messages.at(-1)?.seq ?? 0, limit: PAGE }))
        for (const { seq, from, text, timeMs } of page.messages) messages.push({ seq, from, text, timeMs })
        more = page.more
      }
      conversations.set(conversation, messages)
    }
    return conversations
  } finally {
    await client.close()
  }
}

/** Queries have a rate, too. */
async function whenAllowed<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if ((error as { symbol?: unknown }).symbol !== 'rate-limited') throw error
      await new Promise((resolve) => { setTimeout(resolve, 200) })
    }
  }
}
