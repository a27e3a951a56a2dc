/**
 * How V8 keeps house in a worker. It counts memory outside of its heap, which is what sockets, links and the store are given their bytes in, towards the
 * limit that begins a full collection, also while it is young and nearly all of it garbage. What a worker of few sessions has in its heap is small, and
 * so is that limit: a busy one went through all of its heap five times a second, for a fifth of its CPU. Below this size nothing is worth that.
 */
const OPTION = '--initial-old-space-size'
const OLD_SPACE_MIB = 64

/** For V8's old objects, what lies outside of the heap included; nothing where the operator has said something of the kind. */
export function heapOptions(given: string = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ')): string[] {
  return /--initial-(old-space|heap)-size/.test(given.replaceAll('_', '-')) ? [] : [`${OPTION}=${String(OLD_SPACE_MIB)}`]
}
