/** Where an S3 bucket is, and the addresses of its objects. */

export interface S3Place {
  /** Of the service, with http: or https: and nothing behind the host and port, e.g. https://s3.eu-central-1.amazonaws.com. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** What the keys of all objects begin with, '' or e.g. 'chatd/': letters, digits and `._-/`, 200 at most. */
  readonly prefix: string
  /** Whether the bucket stands in the path (most servers that one runs oneself) or in front of the host (Amazon). */
  readonly pathStyle: boolean
}

/** Throws a TypeError that says which part can't be right. */
export function assertS3Place({ endpoint, region, bucket, prefix, pathStyle }: S3Place): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url === null || !/^https?:$/.test(url.protocol)) throw new TypeError('the endpoint of S3 is an http: or https: address')
  if (url.username !== '' || url.password !== '') throw new TypeError('the endpoint of S3 holds no user name and no password')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') throw new TypeError('the endpoint of S3 ends with the host and port')
  if (!/^[A-Za-z0-9-]{1,64}$/.test(region)) throw new TypeError('the region of S3 has letters, digits and hyphens')
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; a full stop in a host name fits no certificate.
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) throw new TypeError('the name of a bucket has 3 to 63 of a to z, 0 to 9, . and -')
  if (!pathStyle && bucket.includes('.') && url.protocol === 'https:') {
    throw new TypeError('a bucket with a full stop in its name is addressed by path')
  }
  // Nothing that has to be escaped, in which servers differ, and no segment that an address would swallow.
  if (!/^[A-Za-z0-9._/-]{0,200}$/.test(prefix) || /(^|\/)(\.{0,2})\//.test(prefix) || /(^|\/)\.{1,2}$/.test(prefix)) {
    throw new TypeError('the prefix of keys has letters, digits, . _ - and / between them, 200 at most')
  }
}

/** The bucket's address, for what concerns all of it. */
export function bucketUrl({ endpoint, bucket, pathStyle }: S3Place): URL {
  const url = new URL(endpoint)
  if (pathStyle) url.pathname = `/${bucket}`
  else url.hostname = `${bucket}.${url.hostname}`
  return url
}

export function objectUrl(place: S3Place, name: string): URL {
  const url = bucketUrl(place)
  url.pathname = `${place.pathStyle ? url.pathname : ''}/${place.prefix}${name}`
  return url
}
