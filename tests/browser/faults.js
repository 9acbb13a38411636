// What an accessibility checker looks for, of the kinds that the report's page could get wrong.
var faults = [];
var all = Array.from(document.querySelectorAll('body *'));
function named(e) {
  if (e.getAttribute('aria-label')) { return true; }
  var by = e.getAttribute('aria-labelledby');
  if (by) { return by.split(' ').every(function (id) { var t = document.getElementById(id); return t && t.textContent.trim(); }); }
  return e.labels && Array.from(e.labels).some(function (l) { return l.textContent.trim(); });
}
if (!document.documentElement.lang) { faults.push('no language'); }
if (!document.title) { faults.push('no title'); }
if (document.querySelectorAll('main').length !== 1) { faults.push('not one main'); }
document.querySelectorAll('input, select, textarea').forEach(function (e) { if (!named(e)) { faults.push('no label: ' + e.name); } });
document.querySelectorAll('button, a').forEach(function (e) { if (!e.textContent.trim()) { faults.push('no text: ' + e.tagName); } });
document.querySelectorAll('form, section, [role=region], [role=img]').forEach(function (e) {
  if (!named(e)) { faults.push('no name: ' + e.outerHTML.slice(0, 80)); } });
document.querySelectorAll('fieldset').forEach(function (e) {
  if (e.firstElementChild.tagName !== 'LEGEND') { faults.push('no legend'); } });
var before = 0;
document.querySelectorAll('h1, h2, h3, h4, h5, h6').forEach(function (h) {
  var rank = Number(h.tagName[1]);
  if (rank > before + 1) { faults.push('heading skips a rank: ' + h.textContent); }
  if (!h.textContent.trim()) { faults.push('empty heading'); }
  before = rank;
});
if (document.querySelectorAll('h1').length !== 1) { faults.push('not one h1'); }
document.querySelectorAll('table').forEach(function (t) {
  if (!t.caption) { faults.push('table without caption'); }
  t.querySelectorAll('th').forEach(function (th) { if (!th.scope) { faults.push('th without scope'); } });
  t.querySelectorAll('tbody tr').forEach(function (tr) { if (!tr.querySelector('th')) { faults.push('row without th'); } });
});
var ids = all.filter(function (e) { return e.id; }).map(function (e) { return e.id; });
if (new Set(ids).size !== ids.length) { faults.push('an id twice'); }
all.forEach(function (e) { if (e.tabIndex > 0) { faults.push('tabindex above 0'); } });
document.querySelectorAll('ul, ol').forEach(function (l) {
  Array.from(l.children).forEach(function (c) { if (c.tagName !== 'LI') { faults.push('list with ' + c.tagName); } }); });
document.querySelectorAll('input:not([type=checkbox]), select, button').forEach(function (e) {
  if (e.getBoundingClientRect().height < 24) { faults.push('a target below 24 px: ' + e.name); } });
return faults;
