// Rows for people: what bench.mjs found, product by product.

import { FAULTS } from './faults.mjs';
import { mainPerMb } from './measures.mjs';
import { MODES, PRODUCTS } from './options.mjs';
import { products } from './products/index.mjs';

const NONE = '–';
const percent = (x) => (x === null || x === undefined || Number.isNaN(x) ? NONE : `${(100 * x).toFixed(1)} %`);
const number = (x, digits = 0) => (x === null || x === undefined || Number.isNaN(x) ? NONE : x.toFixed(digits));
const whole = (x) => (x === null || x === undefined ? NONE : Math.round(x).toLocaleString('en'));

/** Rows with what only a comparison gives. `all`: figures of each run. */
export function compared(all) {
  const plainOf = (row) => all.find((each) => each.product === 'plain' && !each.fault && each.mode === row.mode && each.viewers === row.viewers);
  return all.map((row) => ({ ...row, perMb: row.fault ? null : mainPerMb(row, plainOf(row)) }));
}

/** Lines of Markdown for one mode, or one fault in it. */
export function section(rows) {
  return [
    ...table(['viewers', 'player', 'offload warm', 'of what is possible', 'whole', 'of what is possible', 'copies a segment', 'carried beyond need', 'list requests'], rows, (row) => [
      percent(row.warm), ratio(row.warm, row.possible), percent(row.whole), ratio(row.whole, row.possible), number(row.copies, 2), percent(row.moved), row.lists ? `${row.lists} (${percent(row.listBytesShare)} of bytes)` : '0',
    ]), '',
    ...table(['viewers', 'player', 'startup median', 'worst', 'stalls', 'ms in all', 'played / clock, least', 'behind live', 'first peer byte', 'segment from peers'], rows, (row) => [
      ms(row.startup), ms(row.startupWorst), `${row.stalls}${row.neverStarted ? `, ${row.neverStarted} never started` : ''}${row.errors ? `, ${row.errors} errors` : ''}`, whole(row.stallMs), number(row.played, 3), row.latency === null ? NONE : `${number(row.latency, 1)} s`, ms(row.firstPeerByte), ms(row.segmentMs),
    ]), '',
    ...table(['viewers', 'player', 'main thread', 'beyond HLS.js, a MB from peers', 'JS heap and buffers', 'of it wasm', 'signaling a viewer'], rows, (row) => [
      percent(row.main), row.perMb === null ? NONE : `${number(row.perMb, 1)} ms`, `${number(row.heapMb, 1)} MB`, row.wasmMb ? `${number(row.wasmMb, 1)} MB` : NONE, `${number(row.signaling / 1000, 1)} kB`,
    ]), '',
  ];
}

/** Against the others: ours by theirs. */
export function ratios(rows) {
  const lines = [];
  for (const row of rows.filter((each) => !each.fault && !['plain', 'p2pml'].includes(each.product))) {
    const beside = (product) => rows.find((each) => each.product === product && !each.fault && each.mode === row.mode && each.viewers === row.viewers);
    const [plain, theirs] = [beside('plain'), beside('p2pml')];
    lines.push([
      MODES[row.mode].title, row.viewers, products[row.product].title,
      by(row.copies, plain?.copies), by(row.copies, theirs?.copies), difference(row.startup, plain?.startup), difference(row.startup, theirs?.startup),
      difference(row.stallMs, plain?.stallMs), difference(row.stallMs, theirs?.stallMs), difference(row.latency, plain?.latency, 1, 's'), by(row.segmentMs, theirs?.segmentMs),
      row.perMb > 0 && theirs?.perMb > 0 ? by(row.perMb, theirs.perMb) : NONE, by(row.heapMb, theirs?.heapMb), by(row.signaling, theirs?.signaling),
    ]);
  }
  const heads = ['stream', 'viewers', 'player', 'origin bytes / HLS.js', 'origin bytes / p2pml', 'startup − HLS.js', 'startup − p2pml', 'stalls − HLS.js', 'stalls − p2pml', 'behind live − HLS.js', 'segment from peers / p2pml', 'main thread a MB / p2pml', 'heap / p2pml', 'signaling / p2pml'];
  return lines.length ? markdown(heads, lines) : [];
}

/** All rows of a fault, with what was judged. */
export function faultSection(rows) {
  return Object.entries(FAULTS).flatMap(([name, fault]) => {
    const of = ordered(rows.filter((row) => row.fault === name));
    if (of.length === 0) return [];
    const note = fault.victim ? ' The first viewer\'s own play is not counted.' : '';
    return [`**${capital(fault.title)}**, ${[...new Set(of.map((row) => MODES[row.mode].title))].join('; ')}.${note}`, '',
      ...table(['viewers', 'player', 'stalls', 'ms in all', 'worst viewer', 'played / clock, least', 'behind live', 'startup worst', 'offload warm', 'whole'], of, (row) => [
        `${row.stalls}${row.neverStarted ? `, ${row.neverStarted} never started` : ''}${row.errors ? `, ${row.errors} errors` : ''}`, whole(row.stallMs), ms(row.stallWorstMs), number(row.played, 3), row.latency === null ? NONE : `${number(row.latency, 1)} s`, ms(row.startupWorst), percent(row.warm), percent(row.whole),
      ]), ''];
  });
}

export function ordered(rows) {
  return [...rows].sort((a, b) => Object.keys(MODES).indexOf(a.mode) - Object.keys(MODES).indexOf(b.mode) || a.viewers - b.viewers || PRODUCTS.indexOf(a.product) - PRODUCTS.indexOf(b.product));
}

function table(heads, rows, cells) {
  return markdown(heads, ordered(rows).map((row) => [row.viewers, products[row.product].title, ...cells(row)]));
}

function markdown(heads, lines) {
  return [`| ${heads.join(' | ')} |`, `|${heads.map((_, i) => (i < 2 ? '---|' : '---:|')).join('')}`, ...lines.map((cells) => `| ${cells.join(' | ')} |`)];
}

function ms(x) { return x === null || x === undefined ? NONE : `${whole(x)} ms`; }
function ratio(x, of) { return of > 0 && x !== null ? number(x / of, 2) : NONE; }
function by(ours, theirs) { return theirs > 0 && ours !== null && ours !== undefined ? number(ours / theirs, 2) : NONE; }
function difference(ours, theirs, digits = 0, unit = 'ms') {
  if (ours === null || ours === undefined || theirs === null || theirs === undefined) return NONE;
  const by_ = ours - theirs;
  return `${by_ > 0 ? '+' : ''}${by_.toFixed(digits)} ${unit}`;
}
function capital(text) { return text[0].toUpperCase() + text.slice(1); }
