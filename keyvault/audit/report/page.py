"""The style and the script of the HTML report."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1c1e; --soft: #55565c; --line: #8a8b92; --code: #f1f1f4;
  --error: #a3151b; --warning: #7a4b00; --note: #1d5a8c; --fine: #33689b; --late: #b3261e; --focus: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --paper: #16171a; --ink: #ececf0; --soft: #b4b5bd; --line: #75767e;
  --code: #26272c; --error: #ff9b94; --warning: #f0bd6a; --note: #92c4f2; --fine: #6aa5dc; --late: #ff8078;
  --focus: #a8c7fa; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1rem 0 0; }
h3, td, th, li { overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
main:focus { outline: none; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
a { color: var(--focus); }
small, figcaption, footer { color: var(--soft); font-size: .875rem; }
small { font-weight: normal; }
code { background: var(--code); padding: 0 .2em; font-size: .9em; }
.counts { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .75rem; }
.counts li { border: 1px solid var(--line); border-left: .4rem solid; padding: .25rem .75rem; }
.error > h2, .counts .error { color: var(--error); }
.warning > h2, .counts .warning { color: var(--warning); }
.note > h2, .counts .note { color: var(--note); }
form { border: 1px solid var(--line); padding: .75rem; margin: 1rem 0; } form p { margin: .5rem 0 0; }
fieldset { border: 0; margin: 0; padding: 0; } legend { float: left; margin-right: 1rem; padding: 0; }
fieldset label { margin-right: 1rem; }
input, select, button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line);
  padding: .2rem .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
caption { text-align: left; font-weight: bold; padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
thead th { border-bottom-width: 2px; white-space: nowrap; overflow-wrap: normal; } tbody th { font-weight: 600; }
.days { white-space: nowrap; }
figure { margin: 0; overflow-x: auto; } svg { width: 100%; min-width: 36rem; max-width: 60rem; height: auto; }
svg text { fill: var(--ink); font-size: 12px; } svg line { stroke: var(--ink); stroke-width: 2; }
.fine { fill: var(--fine); } .late { fill: var(--late); }
@media (forced-colors: active) { .fine, .late { fill: CanvasText; } svg text { fill: CanvasText; } }
@media print { :root { --paper: #fff; --ink: #000; --soft: #333; --line: #777; --code: #fff; --error: #8a0f14;
  --warning: #5e3a00; --note: #123f66; } form, .skip { display: none; } body { max-width: none; padding: 0; }
  tr, svg, h3 + ol { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""

SCRIPT = """
(function () {
  "use strict";
  var form = document.getElementById("filters");
  if (!form) { return; }
  var told = document.getElementById("told");
  var rows = Array.from(document.querySelectorAll("tr[data-level]"));
  function show() {
    var levels = Array.from(form.querySelectorAll("input[name=level]:checked"), function (box) { return box.value; });
    var source = form.elements.source.value;
    var words = form.elements.words.value.trim().toLowerCase();
    var shown = 0;
    rows.forEach(function (row) {
      var fits = levels.includes(row.dataset.level) && (!source || row.dataset.source === source) &&
        row.textContent.toLowerCase().includes(words);
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    told.textContent = shown + " of " + rows.length + " findings shown";
  }
  form.addEventListener("input", show);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function () { setTimeout(show); });
  form.hidden = false;
  form.reset();
}());
"""
