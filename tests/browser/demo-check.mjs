#!/usr/bin/env node
// Proves the demo in a real Chromium: the page as people see it, for a minute, HLS.js with its worker on as it comes.
//
//   node tests/browser/demo-check.mjs [--viewers N] [--seconds N] [--media FILE|DIR]
//
// Fails if anyone stalled or played less than 0.9 of the time, or if the origin's access log shows an offload below
// 50 % (with four viewers; below 0.66 of the possible 1 - 1/n otherwise). MESHEDFLOW_BIN and MESHEDFLOW_SITE say what is tested.

import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { offload } from './offload.mjs';
import { requestsInLog } from './lib/checks.mjs';
import { launch } from './lib/chromium.mjs';
import { startDemo } from './lib/demo.mjs';
import { makeNamespace, removeNamespace, spawnIn } from './lib/namespace.mjs';
import { Viewer, pause } from './lib/viewers.mjs';

const given = arguments_(process.argv.slice(2));
if (given.inside) process.exitCode = (await check(given)) ? 0 : 1;
else process.exitCode = await inNamespace();

function arguments_(words) {
  const read = { viewers: 4, seconds: 60, media: undefined, inside: false };
  for (let i = 0; i < words.length; i += 1) {
    const name = words[i].replace(/^--/, '');
    if (name === 'inside') read.inside = true;
    else if (name === 'media' && words[i + 1]) read.media = words[(i += 1)];
    else if (name in read && Number(words[i + 1]) > 0) read[name] = Number(words[(i += 1)]);
    else { console.error(`unknown option ${words[i]}; usage: demo-check.mjs [--viewers N] [--seconds N] [--media FILE|DIR]`); process.exit(2); }
  }
  return read;
}

/** Runs this script again inside a namespace of its own, where that is possible. */
function inNamespace() {
  const name = makeNamespace();
  const child = spawnIn(name, process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--inside'], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGTERM'));
  process.on('exit', () => removeNamespace(name));
  return new Promise((resolve) => { child.on('close', (code) => resolve(code ?? 1)); });
}

async function check({ viewers, seconds, media }) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'meshedflow-check-'));
  const closers = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async () => { for (const each of closers.splice(0).reverse()) await each(); };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => close().finally(() => process.exit(130)));
  try {
    const demo = await startDemo({ accessLog: path.join(folder, 'access.jsonl'), media });
    closers.push(() => demo.stop());
    const browser = await launch();
    closers.push(() => browser.close());
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
    const watched = new Viewer('page', page);
    await page.goto(`${demo.url}/?viewers=${viewers}&mode=serve`);
    await pause(seconds * 1000);
    const reports = await page.evaluate(() => window.grid.reports());
    return verdict(reports, viewers, watched, demo.log());
  } finally {
    await close();
  }
}

function verdict(reports, viewers, watched, log) {
  const there = reports.filter(Boolean);
  const total = offload(log, there.reduce((sum, r) => sum + r.deliveredBytes, 0));
  table(there, total);
  const faults = [...watched.pageErrors];
  if (there.length < viewers) faults.push(`${there.length} of ${viewers} viewers are there`);
  for (const r of there) {
    if (r.failed) faults.push(`${r.name} failed: ${r.failed}`);
    if (r.startupMs === null) faults.push(`${r.name} never started`);
    if (r.stalls.count > 0) faults.push(`${r.name} stalled ${r.stalls.count} times, ${Math.round(r.stalls.ms)} ms`);
    if (r.playedSeconds < 0.9 * r.wallSeconds) faults.push(`${r.name} played ${r.playedSeconds.toFixed(1)} of ${r.wallSeconds.toFixed(1)} s`);
  }
  const least = (0.5 / 0.75) * (1 - 1 / viewers);
  if (total.offload < least) faults.push(`offload ${percent(total.offload)} is below ${percent(least)}`);
  try { requestsInLog([watched], log); } catch (error) { faults.push(error.message); }
  for (const fault of faults) console.log(`FAIL ${fault}`);
  if (faults.length === 0) console.log('The demo holds what it promises.');
  return faults.length === 0;
}

function table(reports, total) {
  const rows = [['viewer', 'from peers', 'over HTTP', 'stalls', 'played', 'startup'], ...reports.map((r) => [
    r.name, bytes(r.fromPeers), bytes(r.fromHttp), `${r.stalls.count} (${Math.round(r.stalls.ms)} ms)`,
    `${r.playedSeconds.toFixed(1)} of ${r.wallSeconds.toFixed(1)} s`, r.startupMs === null ? 'never' : `${Math.round(r.startupMs)} ms`,
  ])];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) console.log(row.map((cell, column) => (column ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join('  '));
  console.log(`in all: delivered ${bytes(total.deliveredBytes)}, the origin sent ${bytes(total.originBytes)} in ${total.originRequests} requests: offload ${percent(total.offload)}`);
}

function bytes(n) { return `${(n / 1e6).toFixed(2)} MB`; }
function percent(share) { return `${(100 * share).toFixed(1)} %`; }
