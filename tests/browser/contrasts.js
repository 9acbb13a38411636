// Contrast by the formula of WCAG 2.2 (relative luminance), of each piece of text with what lies behind it, and of bars.
function parts(c) { return c.match(/[\d.]+/g).map(Number); }
function luminance(c) {
  var v = parts(c).slice(0, 3).map(function (x) { x /= 255; return x <= 0.04045 ? x / 12.92 : Math.pow((x + 0.055) / 1.055, 2.4); });
  return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2];
}
function behind(e) {
  for (; e; e = e.parentElement) { var c = getComputedStyle(e).backgroundColor, p = parts(c); if (p.length < 4 || p[3] === 1) { return c; } }
  return 'rgb(255, 255, 255)';
}
function ratio(a, b) { var x = luminance(a), y = luminance(b); return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); }
var found = [];
var walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  var e = walk.currentNode.parentElement;
  if (!walk.currentNode.textContent.trim() || !e.checkVisibility() || ['SCRIPT', 'STYLE', 'title', 'desc'].includes(e.tagName)) { continue; }
  var style = getComputedStyle(e);
  found.push([ratio(e.closest('svg') ? style.fill : style.color, behind(e)), 'text', e.textContent.slice(0, 40)]);
}
document.querySelectorAll('rect').forEach(function (r) { found.push([ratio(getComputedStyle(r).fill, behind(r)), 'bar', r.className.baseVal]); });
document.querySelectorAll('input, select, button').forEach(function (b) {
  found.push([ratio(getComputedStyle(b).borderTopColor, behind(b.parentElement)), 'border', b.name]); });
return found;
