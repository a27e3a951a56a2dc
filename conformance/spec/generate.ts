/** `npm run generate:spec`: fills requirements, tables and examples into the pages of `spec/` from the registry. */
import { writeFileSync } from 'node:fs'
import { readPages, renderPage } from './pages.js'
import { rootFolder } from './registry.js'

const pages = readPages()
for (const page of pages) {
  const text = renderPage(page, pages)
  if (text === page.text) continue
  writeFileSync(`${rootFolder}spec/${page.name}`, text)
  console.log(`spec/${page.name} written`)
}
