/** The model server behind real sockets: TCP, TLS and WebSocket, with real SCRAM. It commits and pushes at once. */
import { createServer as createHttpServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import type { TestContext } from 'node:test'
import { WebSocketServer } from 'ws'
import { FrameDecoder } from '../../frame-decoder.js'
import { encodeChallenge, encodeClose, encodeFeatures, encodeFrame } from '../../generated/frames.js'
import type { Frame } from '../../generated/frames.js'
import { ALPN, ERROR, FRAME, LIMIT, SUBPROTOCOL } from '../../generated/registry.js'
import { deriveVerifier } from '../../scram.js'
import type { ScramVerifier } from '../../scram.js'
import { ScramServer } from '../../scram-server.js'
import { nodeCrypto } from '../crypto-node.js'
import { ModelConnection } from './model-server.js'
import type { ModelServer } from './model-server.js'

interface Wire {
  write(bytes: Uint8Array): void
  end(): void
  kill(): void
}

export class SocketServer {
  /** Another one: the service has begun anew. */
  model: ModelServer
  url = ''
  /** Frames got, in order, of all connections. */
  readonly got: Frame[] = []
  /** Answers a frame instead of the model; true: it is dealt with. */
  intercept: (frame: Frame, connection: SocketConnection) => boolean = () => false
  readonly connections = new Set<SocketConnection>()
  /** Speaks first, before the client has said a word. */
  greet: (connection: SocketConnection) => void = () => {}
  verifier!: ScramVerifier

  constructor(model: ModelServer) {
    this.model = model
  }

  /** Sends what the model has for its devices. */
  push(): void {
    for (const connection of this.connections) connection.flush()
  }
}

/** Starts a server for this test; it ends with it. `certificate`: PEM, for tls. */
export async function startSocketServer(
  t: TestContext, model: ModelServer, scheme: 'tcp' | 'tls' | 'ws', certificate?: { readonly key: string; readonly cert: string },
): Promise<SocketServer> {
  const server = new SocketServer(model)
  server.verifier = await deriveVerifier('secret', nodeCrypto.randomBytes(16), 4096, nodeCrypto)
  const accept = (socket: Socket) => {
    const binding = scheme === 'tls' ? (socket as TLSSocket).exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)) : null
    const wire = { write: (bytes: Uint8Array) => socket.write(bytes), end: () => socket.end(), kill: () => socket.destroy() }
    const connection = new SocketConnection(server, wire, binding)
    socket.on('data', (chunk) => { connection.receive(chunk) })
    socket.on('error', () => { /* the other side's business */ })
    socket.on('close', () => { server.connections.delete(connection) })
  }
  const listener: Server = scheme === 'tcp' ? createTcpServer(accept)
    : scheme === 'tls' ? createTlsServer({ ...certificate, minVersion: 'TLSv1.3', ALPNProtocols: [ALPN] }, accept)
      : openWebSocketServer(server)
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  server.url = `${scheme}://${scheme === 'tls' ? 'localhost' : '127.0.0.1'}:${port}`
  t.after(() => {
    for (const connection of server.connections) connection.kill()
    return new Promise((resolve) => listener.close(resolve))
  })
  return server
}

function openWebSocketServer(server: SocketServer): Server {
  const http = createHttpServer()
  const sockets = new WebSocketServer({ server: http, handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL })
  sockets.on('connection', (socket) => {
    const wire = { write: (bytes: Uint8Array) => { socket.send(bytes) }, end: () => { socket.close(4100) }, kill: () => { socket.terminate() } }
    const connection = new SocketConnection(server, wire, null)
    socket.on('message', (data) => { connection.receive(data as Buffer) })
    socket.on('close', () => { server.connections.delete(connection) })
  })
  return http
}

export class SocketConnection {
  readonly #server: SocketServer
  readonly #wire: Wire
  readonly #binding: Uint8Array | null
  readonly #decoder = new FrameDecoder(LIMIT.frameBytesMax)
  readonly #model: ModelConnection
  #scram: ScramServer | null = null
  /** SCRAM derives keys off the main thread: what comes meanwhile waits. */
  #work: Promise<void> = Promise.resolve()
  /** It has said its last word, and hears nothing more. */
  #isClosed = false
  mechanism = ''

  constructor(server: SocketServer, wire: Wire, binding: Uint8Array | null) {
    this.#server = server
    this.#wire = wire
    this.#binding = binding
    this.#model = new ModelConnection(server.model)
    server.connections.add(this)
    server.greet(this)
  }

  receive(chunk: Uint8Array): void {
    this.#decoder.push(chunk)
    for (let frame = this.#decoder.next(); frame !== null && typeof frame === 'object'; frame = this.#decoder.next()) {
      const copy = structuredClone(frame)
      this.#work = this.#work.then(() => this.#handle(copy))
    }
  }

  write(frame: Uint8Array): void {
    this.#wire.write(frame)
  }

  flush(): void {
    this.#model.commit()
    this.#model.push(1000)
    for (const bytes of this.#model.output.splice(0)) this.#wire.write(bytes)
    if (this.#model.isClosed) this.#wire.end()
  }

  close(code: number, host = ''): void {
    this.#isClosed = true
    this.#wire.write(encodeClose(code, 0, host, ''))
    this.#wire.end()
  }

  kill(): void {
    this.#wire.kill()
  }

  async #handle(frame: Frame): Promise<void> {
    if (this.#isClosed) return
    this.#server.got.push(frame)
    if (this.#server.intercept(frame, this)) return
    if (frame.type === FRAME.hello && this.#binding !== null) {
      this.write(encodeFeatures(1, ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'TOKEN'], ['tls-exporter'], 4096, 10_000))
      this.#model.receive(encodeFrame(frame))
      this.#model.output.length = 0
    } else if (frame.type === FRAME.auth && frame.mechanism !== 'TOKEN') {
      this.mechanism = frame.mechanism
      this.#scram = new ScramServer({ isPlus: frame.mechanism.endsWith('PLUS'), bindingData: this.#binding, crypto: nodeCrypto })
      const refusal = this.#scram.start(frame.data)
      if (refusal !== 0) this.close(refusal)
      else this.write(encodeChallenge(this.#scram.challenge(this.#server.verifier)))
    } else if (frame.type === FRAME.response) {
      const final = await this.#scram?.finish(frame.data)
      if (final instanceof Uint8Array) this.#model.authenticated(final)
      else this.close(ERROR.notAuthorized)
    } else {
      this.#model.receive(encodeFrame(frame))
    }
    this.flush()
  }
}
