/** A server that speaks S3, for tests: s3rver, on a port of its own with one bucket in a folder of its own. */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import S3rver from 's3rver'

export interface S3Server {
  readonly endpoint: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  close(): Promise<void>
}

/**
 * Starts one that keeps its objects in `directory`. It does not check signatures and hashes, and lists no more than one page: it makes its
 * tokens with a cipher that OpenSSL has given up (see `ScriptedS3` for both).
 */
export async function startS3rver(directory: string, port = 0): Promise<S3Server> {
  const bucket = 'chatd-test'
  const server = new S3rver({ address: '127.0.0.1', port, silent: true, directory, configureBuckets: [{ name: bucket }] })
  putInOneStep(server)
  giveShortRanges(server)
  const { port: bound } = await server.run()
  return {
    endpoint: `http://127.0.0.1:${bound}`,
    bucket,
    // The only ones that it knows.
    accessKeyId: 'S3RVER',
    secretAccessKey: 'S3RVER',
    async close() {
      const closed = server.close()
      server.httpServer.closeAllConnections()
      await closed
    },
  }
}

/** Its own answers before the object is all in its file, and shows half of one if the connection breaks; S3 does neither. */
function putInOneStep({ store }: S3rver): void {
  let last: Promise<unknown> = Promise.resolve()
  store.putObject = async ({ bucket, key, content, metadata }) => {
    const file = store.getResourcePath(bucket, key, 'object')
    await mkdir(path.dirname(file), { recursive: true })
    const temporary = `${file}.${randomUUID()}`
    const md5 = createHash('md5')
    let size = 0
    const counted = new PassThrough().on('data', (chunk: Buffer) => {
      md5.update(chunk)
      size += chunk.length
    })
    try {
      await pipeline(content, counted, createWriteStream(temporary))
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    const digest = md5.digest('hex')
    // The two files of an object are not written as one: one put after the other.
    last = last.catch(() => undefined).then(async () => {
      await rename(temporary, file)
      await store.putMetadata(bucket, key, metadata, digest)
    })
    await last
    return { size, md5: digest }
  }
}

/** It takes a range that ends at byte 0 for one without an end, and gives a byte of an object that has none. */
function giveShortRanges({ store }: S3rver): void {
  const getObject = store.getObject.bind(store)
  store.getObject = async (bucket, key, range) => {
    const object = await getObject(bucket, key, range)
    if (object === null || range?.start === undefined || (range.end !== 0 && object.size > 0)) return object
    object.content?.destroy()
    object.range = { start: 0, end: 0 }
    object.content = object.size === 0 ? null : createReadStream(store.getResourcePath(bucket, key, 'object'), object.range)
    return object
  }
}
