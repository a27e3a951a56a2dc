/** Servers of the suite, on free ports. */
import type { AddressInfo, Server } from 'node:net'

export interface Listener {
  readonly port: number
  close(): void
}

/** Has the server listen on a free port. `close`: how it ends, with all that it has taken. Rejects with the error of `listen`. */
export function listenAnywhere(server: Server, host: string, close: () => void): Promise<Listener> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, () => { resolve({ port: (server.address() as AddressInfo).port, close }) })
  })
}
