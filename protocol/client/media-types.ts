/**
 * Media types of files by the endings of their names: what a client takes a file for before anybody has looked into it. A server that
 * takes some types only goes by it before the upload, and by the bytes afterwards. [BLB-3]
 */

const UNKNOWN_TYPE = 'application/octet-stream'

/** Of types with several endings the first is the one to use. */
const TYPES: readonly (readonly [ending: string, type: string])[] = [
  ['jpg', 'image/jpeg'], ['jpeg', 'image/jpeg'], ['png', 'image/png'], ['gif', 'image/gif'], ['webp', 'image/webp'], ['avif', 'image/avif'],
  ['heic', 'image/heic'], ['heif', 'image/heif'], ['bmp', 'image/bmp'], ['tif', 'image/tiff'], ['tiff', 'image/tiff'], ['svg', 'image/svg+xml'],
  ['mp4', 'video/mp4'], ['m4v', 'video/mp4'], ['webm', 'video/webm'], ['mov', 'video/quicktime'], ['mkv', 'video/matroska'], ['avi', 'video/vnd.avi'],
  ['mp3', 'audio/mpeg'], ['m4a', 'audio/mp4'], ['ogg', 'audio/ogg'], ['oga', 'audio/ogg'], ['opus', 'audio/ogg'], ['wav', 'audio/wav'],
  ['flac', 'audio/flac'], ['aac', 'audio/aac'], ['pdf', 'application/pdf'], ['txt', 'text/plain'], ['md', 'text/markdown'], ['csv', 'text/csv'],
  ['html', 'text/html'], ['htm', 'text/html'], ['json', 'application/json'], ['xml', 'application/xml'], ['zip', 'application/zip'],
  ['gz', 'application/gzip'], ['7z', 'application/x-7z-compressed'], ['epub', 'application/epub+zip'],
  ['docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
  ['xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
  ['pptx', 'application/vnd.openxmlformats-officedocument.presentationml.presentation'],
  ['odt', 'application/vnd.oasis.opendocument.text'], ['ods', 'application/vnd.oasis.opendocument.spreadsheet'],
]

const typeOfEnding: ReadonlyMap<string, string> = new Map(TYPES)
const endingOfType: ReadonlyMap<string, string> = new Map([...TYPES].reverse().map(([ending, type]) => [type, ending]))

/** `image/jpeg` for `beach.JPG`; of a name that tells nothing `application/octet-stream`. */
export function typeOfName(name: string): string {
  return typeOfEnding.get(/\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '') ?? UNKNOWN_TYPE
}

/** `.jpg` for `image/jpeg`; '' for a type without a usual ending. */
export function endingOf(type: string): string {
  const ending = endingOfType.get(type)
  return ending === undefined ? '' : `.${ending}`
}
