/** A program to be killed: sends 300 messages from a file storage, and says on stdout which of them are in the durable outbox. */
import { Client, fileStorage } from '../node.js'

const [url = '', directory = '', life = ''] = process.argv.slice(2)
const client = new Client({ server: url, user: 'alice', password: 'secret', device: 'phone', storage: fileStorage(directory) })
client.on('message', () => { /* taken */ })
// With whatever was left by the lives before.
await client.connect()
const count = life === 'last' ? 0 : 300
for (let number = 1; number <= count; number++) {
  await client.enqueue('bob', `${life} ${number}`)
  process.stdout.write(`${life} ${number}\n`)
}
while (client.outbox().length > 0) await new Promise((resolve) => client.on('sent', resolve))
await client.close()
