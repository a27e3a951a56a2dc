/**
 * A line that loses packets and takes its time: it carries the frames of pairs of VXLAN interfaces (RFC 7348), whose kernels wrap them into
 * UDP. So the TCP on both ends is the kernel's own, with its retransmissions, and the loss is the seed's.
 *
 *     | flags (8) | reserved (24) | network (24) | reserved (8) | Ethernet frame …        the two ends of a line: networks 2n and 2n + 1
 */
import { createSocket, type Socket } from 'node:dgram'
import type { Line } from './network.js'

const HEADER_BYTES = 8
/** Of the low byte of the network. */
const NETWORK_AT = 6
const ETHERNET_BYTES = 14
const ETHER_TYPE_AT = 12
const IPV4 = 0x0800
const TCP = 6
/** Of the checksum within the TCP header. */
const CHECKSUM_AT = 16

export class BadLine {
  static readonly PORT = 4789
  /** Of what comes from now on. */
  quality: Line = { delayMs: 0, lossShare: 0 }
  carried = 0
  lost = 0
  readonly #socket: Socket
  readonly #random: () => number
  readonly #farHost: string

  private constructor(socket: Socket, farHost: string, random: () => number) {
    this.#socket = socket
    this.#farHost = farHost
    this.#random = random
    socket.on('message', (packet) => { this.#came(packet) })
    // An end that is gone meanwhile.
    socket.on('error', () => { /* what was sent is lost, as on any line */ })
  }

  /** `host`: where the ends send to; `farHost`: where they are. */
  static async open(host: string, farHost: string, random: () => number): Promise<BadLine> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(BadLine.PORT, host, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    return new BadLine(socket, farHost, random)
  }

  close(): void {
    this.#socket.close()
  }

  #came(packet: Buffer): void {
    const { delayMs, lossShare } = this.quality
    this.carried++
    if (this.#random() < lossShare) {
      this.lost++
      return
    }
    packet[NETWORK_AT] = packet[NETWORK_AT]! ^ 1
    completeChecksum(packet.subarray(HEADER_BYTES))
    setTimeout(() => { this.#socket.send(packet, BadLine.PORT, this.#farHost, () => { /* lost, if it failed */ }) }, delayMs)
  }
}

/** The kernel leaves the checksum of TCP to the network card that it takes us for (RFC 9293, 3.1). */
function completeChecksum(frame: Buffer): void {
  if (frame.length < ETHERNET_BYTES + 20 || frame.readUInt16BE(ETHER_TYPE_AT) !== IPV4) return
  const ip = frame.subarray(ETHERNET_BYTES)
  const headerBytes = (ip[0]! & 0x0f) * 4
  if (ip[9] !== TCP) return
  const segment = ip.subarray(headerBytes, ip.readUInt16BE(2))
  segment.writeUInt16BE(0, CHECKSUM_AT)
  let sum = TCP + segment.length
  // The addresses, and the segment.
  for (let at = 12; at < 20; at += 2) sum += ip.readUInt16BE(at)
  for (let at = 0; at + 1 < segment.length; at += 2) sum += segment.readUInt16BE(at)
  if (segment.length % 2 === 1) sum += segment[segment.length - 1]! << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  segment.writeUInt16BE(~sum & 0xffff, CHECKSUM_AT)
}
