/** What the page of html.ts does by itself: it filters, and opens the case that an address names. Without it all is there to read. */
export const script = `
'use strict'
const search = document.querySelector('input[type=search]')
const layer = document.querySelector('select')
const boxes = [...document.querySelectorAll('.filter input[type=checkbox]')]
const count = document.querySelector('output')
const cases = [...document.querySelectorAll('details.case')]
const places = [...document.querySelectorAll('.file')]
const rules = [...document.querySelectorAll('.rule')]
const groups = [...document.querySelectorAll('details.rules')]
const marks = [...document.querySelectorAll('.marks a')]
const decode = (hash) => { try { return decodeURIComponent(hash.slice(1)) } catch { return '' } }

function filter() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean)
  const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value))
  const isAll = words.length === 0 && layer.value === '' && boxes.every((box) => box.checked)
  const shown = new Set()
  for (const one of cases) {
    const text = one.dataset.find
    one.hidden = !(verdicts.has(one.dataset.verdict) && (layer.value === '' || one.id.startsWith(layer.value + '/')) && words.every((word) => text.includes(word)))
    if (!one.hidden) shown.add(one.id)
  }
  for (const place of places) place.hidden = place.querySelector('details.case:not([hidden])') === null
  for (const mark of marks) mark.hidden = !shown.has(decode(mark.hash))
  for (const rule of rules) rule.hidden = !isAll && rule.querySelector('.marks a:not([hidden])') === null
  for (const group of groups) group.hidden = group.querySelector('.rule:not([hidden])') === null
  count.textContent = shown.size + ' of ' + cases.length + ' cases'
}

function follow() {
  const target = document.getElementById(decode(location.hash))
  if (!(target instanceof HTMLDetailsElement)) return
  if (target.hidden) {
    search.value = ''
    layer.value = ''
    for (const box of boxes) box.checked = true
    filter()
  }
  target.open = true
  target.scrollIntoView()
}

for (const control of [search, layer, ...boxes]) control.addEventListener('input', filter)
addEventListener('hashchange', follow)
document.addEventListener('click', (event) => { if (event.target instanceof HTMLAnchorElement && event.target.hash === location.hash) follow() })
document.querySelector('.filter').hidden = false
filter()
follow()
`
