/** A preview process gone wrong, in the way that the picture's content asks for. */
import { ByteReader, encodeHeader, type PictureJob } from '../preview-frames.js'

const ANSWERS: Readonly<Record<string, unknown>> = {
  'too wide': { width: 60_000_000, height: 1, placeholder: 'AAAA', renditions: [] },
  'no number': { width: '1', height: 1, placeholder: 'AAAA', renditions: [] },
  'long placeholder': { width: 1, height: 1, placeholder: 'A'.repeat(4000), renditions: [] },
  'no placeholder': { width: 1, height: 1, placeholder: '', renditions: [] },
  'nothing made': { width: 1, height: 1, placeholder: 'AAAA', renditions: [] },
  'wrong type': { width: 1, height: 1, placeholder: 'AAAA', renditions: [{ kind: 'thumbnail', type: 'text/html', width: 1, height: 1, size: 4 }] },
  'not wanted': { width: 1, height: 1, placeholder: 'AAAA', renditions: [{ kind: 'stripped', type: 'image/png', width: 1, height: 1, size: 4 }] },
  'huge rendition': { width: 1, height: 1, placeholder: 'AAAA', renditions: [{ kind: 'thumbnail', type: 'image/webp', width: 1, height: 1, size: 2 ** 40 }] },
  'wide rendition': { width: 1, height: 1, placeholder: 'AAAA', renditions: [{ kind: 'thumbnail', type: 'image/webp', width: 4000, height: 1, size: 4 }] },
  'twice': { width: 1, height: 1, placeholder: 'AAAA', renditions: [1, 2].map(() => ({ kind: 'thumbnail', type: 'image/webp', width: 1, height: 1, size: 4 })) },
  'an unknown fault': { fault: 'none of them' },
  'a list': [],
}

const reader = new ByteReader(process.stdin)
process.stdout.write(encodeHeader({ ready: true }))
for (;;) {
  const job = await reader.header() as PictureJob | null
  if (job === null) break
  await misbehave((await reader.bytes(job.size))?.toString() ?? '')
}

async function misbehave(order: string): Promise<void> {
  const answer = ANSWERS[order]
  if (answer !== undefined) process.stdout.write(Buffer.concat([encodeHeader(answer as object), Buffer.alloc(8)]))
  else if (order === 'no frame') process.stdout.write(Buffer.alloc(1000, 0xff))
  else if (order === 'no json') process.stdout.write('\0\0\0\x01{')
  else if (order === 'half an answer') process.stdout.write(encodeHeader({ fault: 'undecodable' }).subarray(0, 7), () => process.exit(0))
  else if (order === 'crash') process.abort()
  else if (order === 'gorge') for (const held: Buffer[] = []; ; await new Promise((resolve) => setTimeout(resolve, 5))) held.push(Buffer.alloc(8_000_000, 1))
  else if (order !== 'hang') process.stdout.write(encodeHeader({ fault: 'undecodable' }))
}
