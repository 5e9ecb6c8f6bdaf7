// Three pictures for README, as SVG that is legible on light and dark pages alike.

import { MODES, PRODUCTS } from './options.mjs';
import { products } from './products/index.mjs';

const COLOURS = { plain: '#8b949e', p2pml: '#d97706', serve: '#2563eb', 'advertise-only': '#0d9488' };
const [WIDTH, PLOT_HEIGHT, TOP, BOTTOM, LEFT] = [760, 200, 76, 46, 64];

/** `rows`: compared figures without faults. Each is `{file, title, svg}`; empty where there is nothing to draw. */
export function charts(rows) {
  const shown = ['plain', 'p2pml', 'serve', 'advertise-only'];
  const all = [
    { file: 'offload.svg', title: 'Offload once warm, in the origin\'s log', value: (row) => row.warm && 100 * Math.max(0, row.warm), unit: ' %', limit: (n) => 100 * (1 - 1 / n), limitName: 'all that n viewers can save', of: shown.slice(1), top: 100 },
    { file: 'copies.svg', title: 'Copies of a segment that the origin sends, once warm', value: (row) => row.copies, unit: '', digits: 1, limit: () => 1, limitName: 'one copy', of: shown },
    { file: 'main-thread.svg', title: 'Main thread beyond HLS.js alone, per MB from peers', value: (row) => row.perMb && Math.max(0, row.perMb), unit: ' ms', of: shown.slice(1) },
  ];
  return all.flatMap((chart) => {
    const groups = grouped(rows, chart);
    return groups.length ? [{ file: chart.file, title: chart.title, svg: draw(chart, groups) }] : [];
  });
}

/** One group of bars for each mode and number of viewers that has any. */
function grouped(rows, { of, value }) {
  const groups = [];
  for (const mode of Object.keys(MODES)) {
    for (const viewers of [...new Set(rows.filter((row) => row.mode === mode).map((row) => row.viewers))].sort((a, b) => a - b)) {
      const bars = of.flatMap((product) => {
        const row = rows.find((each) => each.mode === mode && each.viewers === viewers && each.product === product);
        const height = row ? value(row) : null;
        return height === null || height === undefined || Number.isNaN(height) ? [] : [{ product, height }];
      });
      if (bars.length) groups.push({ mode, viewers, bars });
    }
  }
  return groups;
}

function draw(chart, groups) {
  const most = chart.top ?? nice(Math.max(...groups.flatMap(({ bars }) => bars.map((bar) => bar.height)), chart.limit ? 1 : 0));
  const y = (value) => TOP + PLOT_HEIGHT * (1 - Math.min(1, value / most));
  const widest = Math.max(...groups.map(({ bars }) => bars.length));
  const step = (WIDTH - LEFT - 16) / groups.length;
  const bar = Math.min(34, (step - 14) / widest);
  const parts = [];
  for (let i = 0; i <= 4; i += 1) {
    const value = (most * i) / 4;
    parts.push(`<path class="grid" d="M${LEFT} ${y(value).toFixed(1)}H${WIDTH - 16}"/>`, text(LEFT - 8, y(value) + 4, `${trim(value)}${chart.unit}`, 'end small'));
  }
  groups.forEach((group, i) => {
    const from = LEFT + i * step + (step - bar * group.bars.length) / 2;
    group.bars.forEach(({ product, height }, k) => {
      const x = from + k * bar;
      parts.push(`<rect x="${(x + 1).toFixed(1)}" y="${y(height).toFixed(1)}" width="${(bar - 2).toFixed(1)}" height="${(y(0) - y(height)).toFixed(1)}" rx="2" fill="${COLOURS[product]}"><title>${products[product].title}: ${height.toFixed(chart.digits ?? 1)}${chart.unit}</title></rect>`);
      if (bar >= 18) parts.push(label(chart, group, x + bar / 2, y, height));
    });
    if (chart.limit) parts.push(`<path class="limit" d="M${(from - 5).toFixed(1)} ${y(chart.limit(group.viewers)).toFixed(1)}h${(bar * group.bars.length + 10).toFixed(1)}"/>`);
    parts.push(text(LEFT + (i + 0.5) * step, TOP + PLOT_HEIGHT + 16, `n = ${group.viewers}`, 'mid small'));
  });
  for (const mode of new Set(groups.map((group) => group.mode))) {
    const at = groups.flatMap((group, i) => (group.mode === mode ? [i] : []));
    const [a, b] = [LEFT + at[0] * step, LEFT + (at.at(-1) + 1) * step];
    if (at[0] > 0) parts.push(`<path class="grid" d="M${a.toFixed(1)} ${TOP}V${TOP + PLOT_HEIGHT + 34}"/>`);
    parts.push(text((a + b) / 2, TOP + PLOT_HEIGHT + 34, MODES[mode].title, 'mid small'));
  }
  return page(chart, groups, parts);
}

/** The number above its bar, or in it where the limit's line would cross it. */
function label(chart, { viewers }, x, y, height) {
  const words = height.toFixed(chart.digits ?? (height < 10 ? 1 : 0));
  const above = chart.limit ? y(height) - y(chart.limit(viewers)) : 0;
  return above > 1 && above < 15 && y(0) - y(height) > 18 ? text(x, y(height) + 12, words, 'mid tiny inside') : text(x, y(height) - 4, words, 'mid tiny');
}

function page(chart, groups, parts) {
  const used = PRODUCTS.filter((product) => groups.some(({ bars }) => bars.some((each) => each.product === product)));
  let x = LEFT;
  const legend = used.flatMap((product) => {
    const { title } = products[product];
    const at = x;
    x += 24 + 6.4 * title.length;
    return [`<rect x="${at}" y="42" width="11" height="11" rx="2" fill="${COLOURS[product]}"/>`, text(at + 16, 52, title, 'small')];
  });
  if (chart.limit) legend.push(`<path class="limit" d="M${x} 47.5h16"/>`, text(x + 21, 52, chart.limitName, 'small'));
  const height = TOP + PLOT_HEIGHT + BOTTOM;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(chart.title)}">
<style>
  .page { fill: #ffffff; stroke: #d0d7de; } text { fill: #1f2328; font: 13px system-ui, sans-serif; } .title { font-weight: 600; font-size: 15px; }
  .small { font-size: 11.5px; } .tiny { font-size: 10px; } .mid { text-anchor: middle; } .end { text-anchor: end; }
  .grid { stroke: #d0d7de; fill: none; } .limit { stroke: #1f2328; stroke-width: 2; stroke-dasharray: 4 3; fill: none; }
  text.inside { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d; } text { fill: #e6edf3; } .grid { stroke: #30363d; } .limit { stroke: #e6edf3; }
    text.inside { fill: #ffffff; }
  }
</style>
<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>
${text(LEFT, 28, chart.title, 'title')}
${legend.join('\n')}
${parts.join('\n')}
</svg>
`;
}

function text(x, y, words, kind) { return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${kind}">${escape(words)}</text>`; }
function escape(words) { return words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;'); }
function trim(value) { return String(Math.round(value * 100) / 100); }

/** A round number not below `value`. */
function nice(value) {
  const scale = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)));
  return [1, 2, 4, 5, 8, 10].map((step) => step * scale).find((step) => step >= value) ?? 10 * scale;
}
