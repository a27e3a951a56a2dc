/** What the index costs a message, in CPU: `node dist/server/search/testing/bench.js [messages]`. Cutting into words, and the row. */
import { SEGMENT_MESSAGES, SegmentBuilder } from '../segment.js'

const WORDS = ('the and you that was for are with his they this have from one had not but what all were when your can said there use each which she '
  + 'how their will other about out many then them these some her would make like him into time has look more write see number way could people '
  + 'tonight tomorrow morning café über straße déjà dinner station train late sorry thanks great').split(' ')

const count = Number(process.argv[2] ?? 100_000)
const texts = Array.from({ length: 4096 }, (_, at) => Array.from({ length: 3 + (at * 7) % 15 }, (_each, word) => WORDS[(at * 31 + word * word * 17) % WORDS.length]).join(' '))
  .map((text) => Buffer.from(text))

function run(messages: number): number {
  let bytes = 0
  const builder = new SegmentBuilder()
  for (let at = 0; at < messages; at++) {
    builder.begin(at % SEGMENT_MESSAGES, 'alice', at)
    builder.text(texts[at % texts.length]!)
    if ((at + 1) % SEGMENT_MESSAGES === 0) bytes += builder.take().length
  }
  return bytes
}

run(count / 10)
const before = process.cpuUsage()
const bytes = run(count)
const { user, system } = process.cpuUsage(before)
process.stdout.write(`${((user + system) / count).toFixed(1)} µs and ${(bytes / count).toFixed(0)} bytes a message\n`)
