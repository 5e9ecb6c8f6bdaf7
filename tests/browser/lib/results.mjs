// Writes figures of a run as a table for people: `e2e.mjs --results tests/browser/results.md`. What other commands
// measured stands below a mark in the same file, and stays.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { ROOT, site } from './demo.mjs';

const MARK = '<!-- Measured by other commands, which each section names. -->';

export function writeResults(file, results) {
  const found = (name) => results.find((r) => r.name === name && r.ok)?.figures;
  const lines = [
    '# Measured in the browser', '',
    `\`node tests/browser/e2e.mjs --results ${path.relative(ROOT, path.resolve(file))}\`, ${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} cores,`,
    `${chromium(results)}one Chromium process per job. Live stream of 4 s segments, 12 s behind the live edge,`,
    '`cmafMode: serve`, HLS.js with its worker on. Offload is counted in the origin\'s access log, against what HLS.js received.', '',
    '## Offload', '',
    '| HLS.js | viewers | whole minute, from cold | 10 s after the last join | possible |', '|---|---|---|---|---|',
    ...['playback-1.7', 'offload-2', 'playback-1.6', 'playback-1.5'].map(found).filter(Boolean)
      .map((f) => `| ${f.version} | ${f.viewers} | ${percent(f.offload)} | ${percent(f.warm)} | ${percent(1 - 1 / f.viewers)} |`), '',
    'The warm column cuts through transfers at both ends: a few points either way.', '',
    ...pairLines('Startup: navigation to first frame', found('startup-vs-plain')),
    ...pairLines('Seek: from the call to the first frame there', found('seek-vs-plain')),
    '## Sizes', '', '| file | bytes | brotli |', '|---|---|---|', ...sizes(), '',
  ];
  writeFileSync(file, lines.join('\n') + kept(file));
}

function kept(file) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const at = text.indexOf(MARK);
  return at < 0 ? '' : `\n${text.slice(at)}`;
}

function pairLines(title, pairs) {
  if (!pairs) return [];
  const row = (name, s) => `| ${name} | ${s.median} ms | ${s.worst} ms | ${s.all.join(', ')} |`;
  return [`## ${title}`, '', '| player | median | worst | all |', '|---|---|---|---|',
    row('plain HLS.js 1.7', pairs.plain), row('with MeshedFlow', pairs.mesh), ''];
}

function sizes() {
  const folder = path.join(site(), 'sdk');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => /\.(js|wasm)$/.test(name)).sort().map((name) => {
    const body = readFileSync(path.join(folder, name));
    return `| ${name} | ${body.length} | ${brotliCompressSync(body).length} |`;
  });
}

function chromium(results) {
  const version = results.find((r) => r.chromium)?.chromium;
  return version ? `Chromium ${version}, ` : '';
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}
