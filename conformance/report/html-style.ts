/** How the page of html.ts looks: one column on a phone, dark where the reader's system is. */
export const style = `
:root { color-scheme: light dark; --back: #fbfbf9; --card: #fff; --text: #1d2127; --soft: #5d6570; --line: #dfe1e4; --code: #f2f3f1; --link: #1f5fa8;
  --good: #217a3c; --goodBack: #dff1e3; --bad: #b3261e; --badBack: #fbe1de; --warn: #8a5a00; --warnBack: #fbecc9; --none: #5d6570; --noneBack: #e8eaed; --client: #1f5fa8; --server: #7a3ea1; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --card: #1b1f24; --text: #e3e6ea; --soft: #9aa3ad; --line: #30363d; --code: #23282e; --link: #7db4f0;
  --good: #7fd495; --goodBack: #1d3a26; --bad: #ff9d94; --badBack: #4a211e; --warn: #f0c36b; --warnBack: #43341a; --none: #aab2bb; --noneBack: #30363d; --client: #7db4f0; --server: #cf9bf0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.35rem; margin: 1.2rem 0 .2rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1.2rem 0 .4rem; color: var(--soft); font-weight: 600; }
p { margin: .3rem 0; }
a { color: var(--link); }
code { font: 12.5px/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.outcome { display: inline-block; margin: .6rem 0; padding: .35rem .8rem; border-radius: .4rem; font-weight: 600; }
.filter { position: sticky; top: 0; z-index: 1; background: var(--back); border-bottom: 1px solid var(--line); padding: .6rem 0; margin-top: .6rem; display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
.filter input[type=search], .filter select { font: inherit; padding: .3rem .5rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--card); color: inherit; min-width: 0; }
.filter input[type=search] { flex: 1 1 14rem; }
.filter label { display: inline-flex; align-items: center; gap: .3rem; padding: .2rem .55rem; border-radius: 1rem; font-size: .85rem; cursor: pointer; }
.filter output { font-size: .85rem; color: var(--soft); margin-left: auto; }
.PASS { color: var(--good); background: var(--goodBack); }
.FAIL, .CRASH, .TIMEOUT { color: var(--bad); background: var(--badBack); }
.NON-STRICT, .known { color: var(--warn); background: var(--warnBack); }
.UNSUPPORTED, .NOT-RUN { color: var(--none); background: var(--noneBack); }
details.group { border: 1px solid var(--line); border-radius: .5rem; background: var(--card); margin: .5rem 0; }
details.group > summary { padding: .5rem .8rem; cursor: pointer; font-weight: 600; }
details.group > summary .soft { font-weight: 400; }
.broken ul { margin: 0; padding: 0 .8rem .6rem; list-style: none; max-height: 24rem; overflow: auto; border-top: 1px solid var(--line); }
.broken li { padding: .35rem 0; font-size: .9rem; }
.broken code { color: var(--soft); }
.rule { display: grid; grid-template-columns: 4.6rem 1fr minmax(8rem, 34%); gap: .2rem .8rem; padding: .45rem .8rem; border-top: 1px solid var(--line); font-size: .88rem; }
.rule b { white-space: nowrap; }
.rule small { display: block; color: var(--soft); }
.marks { display: flex; flex-wrap: wrap; gap: 3px; align-content: start; }
.marks a { width: 1.35rem; height: 1.35rem; border-radius: .25rem; text-align: center; font: 700 .75rem/1.35rem system-ui, sans-serif; text-decoration: none; }
details.case { border: 1px solid var(--line); border-radius: .5rem; background: var(--card); margin: .35rem 0; scroll-margin-top: 8rem; }
details.case > summary { padding: .45rem .7rem; cursor: pointer; display: flex; flex-wrap: wrap; gap: .2rem .6rem; align-items: baseline; list-style: none; }
details.case > summary::-webkit-details-marker { display: none; }
details.case > summary > span:nth-of-type(2) { flex: 1 1 16rem; min-width: 0; overflow-wrap: anywhere; }
.badge { font-size: .72rem; font-weight: 700; padding: .1rem .5rem; border-radius: 1rem; white-space: nowrap; }
.body { padding: .2rem .7rem .8rem; border-top: 1px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; margin: .5rem 0; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 12.5px/1.45 ui-monospace, Menlo, Consolas, monospace; }
.command { user-select: all; background: var(--code); padding: .1rem .35rem; border-radius: .25rem; }
.trace { border: 1px solid var(--line); border-radius: .4rem; overflow: hidden; }
.trace > div { display: grid; grid-template-columns: 4.2rem 3.4rem minmax(0, 3fr) minmax(0, 2fr); gap: 0 .7rem; padding: .15rem .5rem; border-top: 1px solid var(--line); }
.trace > div:first-child { border-top: 0; }
.trace > div > span { color: var(--soft); font: 12px/1.55 ui-monospace, Menlo, Consolas, monospace; white-space: nowrap; text-align: right; }
.trace > div > span + span { text-align: left; }
.trace .c > code { color: var(--client); }
.trace .s > code { color: var(--server); }
.trace .x { background: var(--code); }
.trace .x > code { grid-column: 3 / -1; }
.trace code.hex { color: var(--soft); }
.trace .left { display: block; color: var(--soft); font-size: .85rem; }
[hidden] { display: none !important; }
@media (max-width: 44rem) {
  header, main { padding: 0 .7rem; }
  .rule { grid-template-columns: 4.6rem 1fr; }
  .rule .marks { grid-column: 1 / -1; }
  .filter { position: static; }
  .marks a { width: 1.7rem; height: 1.7rem; line-height: 1.7rem; }
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .35rem; }
  .trace > div { grid-template-columns: auto 1fr; padding: .3rem .5rem; }
  .trace > div > code, .trace .x > code { grid-column: 1 / -1; }
}
@media print { .filter { display: none; } }
`
