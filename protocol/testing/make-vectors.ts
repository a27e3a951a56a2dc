/** `npm run vectors`: writes conformance/vectors/ from the hand-chosen cases beside this file. */
import { writeFileSync } from 'node:fs'
import { packageRoot } from './registry.js'
import { vectorFiles, vectorText } from './vector-files.js'

for (const [name, content] of Object.entries(vectorFiles)) {
  writeFileSync(new URL(`conformance/vectors/${name}`, packageRoot), vectorText(content))
}
