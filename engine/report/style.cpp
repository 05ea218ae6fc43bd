#include "engine/report/style.h"

namespace tessera {

// Paper and ink; two colours that the colour-blind tell apart: blue for training and what is right, orange for validation
// and what is wrong. Dark only on screens: paper stays white.
const char* report_style() {
  return R"css(
:root {
  --paper: #faf9f6; --card: #fff; --ink: #1d1c1a; --soft: #6c6860; --rule: #e5e1d8;
  --blue: #1f6f9c; --orange: #c9601c; --right: 31 111 156; --wrong: 201 96 28;
  --text: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
  --title: "Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", P052, Georgia, "Noto Serif", serif;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #131518; --card: #1a1d21; --ink: #e9e6df; --soft: #9b978e; --rule: #2c3035;
    --blue: #67b3dc; --orange: #f0935a; --right: 58 140 188; --wrong: 205 108 48;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 var(--text); }
main { max-width: 70rem; margin: 0 auto; padding: clamp(1.25rem, 4vw, 3.5rem) clamp(1rem, 4vw, 2.5rem); }
h1, h2 { font-family: var(--title); font-weight: 600; line-height: 1.15; letter-spacing: -.01em; text-wrap: balance; }
h1 { font-size: clamp(2rem, 6vw, 3.1rem); margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.55rem; margin: 0; }
h3 { font-size: .95rem; font-weight: 600; margin: 0; }
.head p { margin: .45rem 0 0; color: var(--soft); font-size: 1.05rem; }
.notice { margin: 1.25rem 0 0; padding: .7rem 1rem; border-left: 3px solid var(--orange); background: var(--card); }
section { margin-top: clamp(2.5rem, 6vw, 4rem); }
section > header { border-top: 1px solid var(--rule); padding-top: 1.1rem; margin-bottom: 1.25rem; }
.note { margin: .35rem 0 0; color: var(--soft); max-width: 46rem; text-wrap: pretty; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { font-weight: 400; text-align: left; }
.wide { overflow-x: auto; }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.75rem, 1fr)); margin: 2rem 0 0;
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px; overflow: hidden; }
.figures div { padding: .95rem 1.1rem 1rem; box-shadow: 1px 1px 0 0 var(--rule); }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: .1rem 0 0; font: 600 1.65rem/1.2 var(--title); font-variant-numeric: lining-nums tabular-nums;
  white-space: nowrap; }
dd small { display: block; margin-top: .2rem; font: .8rem/1.3 var(--text); color: var(--soft); white-space: normal; }

.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1.25rem; }
.charts > :only-child { max-width: 36rem; }
figure { margin: 0; }
.chart { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 1rem 1rem .75rem;
  display: flex; flex-direction: column; justify-content: space-between; }
.chart figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .1rem 1rem; margin-bottom: .6rem; }
.keys { display: flex; flex-wrap: wrap; gap: 0 1rem; font-size: .82rem; color: var(--soft); }
.keys b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
.key::before { content: ""; display: inline-block; width: .85rem; height: 3px; border-radius: 2px; margin-right: .4rem;
  vertical-align: .22em; background: currentColor; }
.key.train::before { color: var(--blue); } .key.validation::before { color: var(--orange); }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg .train { --c: var(--blue); } svg .validation { --c: var(--orange); }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; }
.tick { fill: var(--soft); font: 11.5px var(--text); font-variant-numeric: tabular-nums; }
.curve { fill: none; stroke: var(--c); stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.mark { fill: var(--c); }
.target rect { fill: transparent; }
.guide { stroke: var(--soft); stroke-dasharray: 2 3; opacity: 0; }
.point { fill: var(--card); stroke: var(--c); stroke-width: 2.2; opacity: 0; }
.target:hover .guide, .target:hover .point { opacity: 1; }

.classes { display: grid; gap: 2rem 3rem; }
.classes h3 { margin-bottom: .7rem; }
@media (min-width: 60rem) { .classes { grid-template-columns: max-content 1fr; } }
.matrix { font-size: .84rem; border-spacing: 2px; border-collapse: separate; margin: 0 0 0 -2px; }
.matrix th { color: var(--soft); padding: 0 .5rem 0 0; white-space: nowrap; }
.matrix tbody th { text-align: right; }
.matrix thead th { vertical-align: bottom; padding: 0 0 .35rem; text-align: center; }
.matrix thead span { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg); }
.matrix .corner { font-size: .74rem; text-align: right; padding: 0 .5rem .35rem 0; }
.matrix td { min-width: 2.7rem; height: 2.15rem; text-align: center; border-radius: 4px; }
.right { background: rgb(var(--right) / var(--v)); }
.wrong { background: rgb(var(--wrong) / var(--v)); }
.strong { color: #fff; }
.bars { width: 100%; font-size: .9rem; }
.bars th { width: 1%; white-space: nowrap; padding: .28rem .9rem .28rem 0; }
.bars td { text-align: right; white-space: nowrap; width: 4rem; }
.bars .bar { width: auto; background: linear-gradient(var(--rule) 0 0) center / 100% 1px no-repeat; } .bar::before { content: none; }
.bar span { display: block; height: .6rem; border-radius: 3px; background: var(--blue); }

.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: 1.25rem 1rem; }
.mistakes.explained { grid-template-columns: repeat(auto-fill, minmax(12.5rem, 1fr)); }
.mistakes div { display: flex; gap: 4px; margin-bottom: .4rem; }
.mistakes img { display: block; flex: 1; min-width: 0; height: auto; border-radius: 6px; }
.mistakes figcaption { font-size: .82rem; line-height: 1.4; color: var(--soft); overflow-wrap: anywhere; }
.mistakes b { color: var(--orange); font-weight: 600; } .mistakes i { font-style: normal; }
.mistakes img, .filters img { image-rendering: pixelated; }
.filters { display: flex; flex-wrap: wrap; gap: 8px; }
.filters img { width: 56px; height: 56px; border-radius: 4px; }

.sheets { columns: 2 22rem; column-gap: 3rem; }
.sheet { break-inside: avoid; margin-bottom: 1.75rem; }
.sheet table { width: 100%; margin-top: .4rem; font-size: .9rem; }
.sheet tr { border-top: 1px solid var(--rule); }
.sheet th { color: var(--soft); padding: .32rem 1rem .32rem 0; vertical-align: top; white-space: nowrap; }
.sheet td { text-align: right; padding: .32rem 0; overflow-wrap: anywhere; }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--soft); }
.history { margin-top: .75rem; font-size: .85rem; }
.history th, .history td { text-align: right; padding: .22rem .9rem .22rem 0; white-space: nowrap; }
.history th { color: var(--soft); } .history tr { border-bottom: 1px solid var(--rule); }
footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: 1rem; color: var(--soft); font-size: .85rem; }

@media (max-width: 34rem) {
  .figures { grid-template-columns: repeat(2, 1fr); }
  .figures div { padding: .75rem .9rem; } dd { font-size: 1.4rem; }
  .matrix { font-size: .68rem; border-spacing: 1px; } .matrix th { padding-right: .35rem; }
  .matrix td { min-width: 1.66rem; height: 1.66rem; border-radius: 3px; }
  .matrix .corner { font-size: 0; }
  .mistakes { grid-template-columns: repeat(3, 1fr); gap: 1rem .75rem; }
  .mistakes.explained { grid-template-columns: repeat(2, 1fr); }
  .sheet th { white-space: normal; }
}
@media print {
  :root { --paper: #fff; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  html { font-size: 68%; } body { font-size: 1rem; } main { max-width: none; padding: 0; }
  section { margin-top: 2.25rem; } h2, h3, .note, section > header { break-after: avoid; }
  .figures, .chart, .mistakes figure, .matrix, .sheet { break-inside: avoid; }
  .charts { grid-template-columns: repeat(2, 1fr); } .classes { grid-template-columns: max-content 1fr; }
  .mistakes { grid-template-columns: repeat(8, 1fr); } .mistakes.explained { grid-template-columns: repeat(4, 1fr); } .sheets { columns: 2; }
  details { display: none; }
}
)css";
}

}  // namespace tessera
