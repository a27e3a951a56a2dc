/** As far as the tests use it: the package has no types of its own. */
declare module 's3rver' {
  import type { Readable } from 'node:stream'

  interface StoredObject {
    readonly bucket: string
    readonly key: string
    /** null in an answer: no such range. */
    content: Readable | null
    readonly metadata: Readonly<Record<string, string>>
    /** The last byte is within. */
    range?: { start: number, end: number }
    readonly size: number
  }

  interface ObjectRange {
    readonly start?: number
    readonly end?: number
  }

  interface Store {
    getObject(bucket: string, key: string, range?: ObjectRange): Promise<StoredObject | null>
    putObject(object: StoredObject & { readonly content: Readable }): Promise<{ size: number, md5: string }>
    putMetadata(bucket: string, key: string, metadata: StoredObject['metadata'], md5: string): Promise<void>
    getResourcePath(bucket: string, key: string, resource: string): string
  }

  export default class S3rver {
    constructor(options: {
      readonly address: string
      readonly port: number
      readonly silent: boolean
      readonly directory: string
      readonly vhostBuckets?: boolean
      readonly configureBuckets: readonly { readonly name: string }[]
    })
    readonly store: Store
    readonly httpServer: import('node:http').Server
    run(): Promise<{ address: string, port: number }>
    close(): Promise<void>
  }
}
