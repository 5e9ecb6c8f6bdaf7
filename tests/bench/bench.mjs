#!/usr/bin/env node
// The bench in real browsers: HLS.js alone, p2p-media-loader and MeshedFlow on the same machine, media and network. Each
// run is a process and a network namespace of its own. `cargo xtask bench browser` builds what is needed and calls this;
// its options are in options.mjs.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT, binary, site } from '../browser/lib/demo.mjs';
import { makeNamespace, makeStar, removeNamespace, spawnIn } from '../browser/lib/namespace.mjs';
import { FAULTS } from './faults.mjs';
import { figures, oneLine } from './measures.mjs';
import { bitsPerSecond, film, loop } from './media.mjs';
import { USAGE, Wrong, nameOf, read } from './options.mjs';
import { products } from './products/index.mjs';
import { writeReport } from './report.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target');
const GRACE_MS = 90_000; // starting and closing, beyond a run's own time
const JOIN_MS = 64_000; // the last of 16 viewers, 4 s apart

const namespaces = new Set();
const folders = new Set();
const children = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => { stopAll(); process.exit(130); });
process.on('exit', stopAll);

try {
  process.exitCode = await main(read(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof Wrong)) throw error;
  console.error(`bench browser: ${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}

async function main(options) {
  if (options.list) {
    for (const run of options.runs) console.log(nameOf(run));
    return 0;
  }
  const out = path.resolve(options.out ?? path.join(TARGET, 'bench-browser'));
  mkdirSync(out, { recursive: true });
  const failed = options.report ? [] : await runAll(options, out);
  const results = readResults(out);
  if (results.length === 0) throw new Wrong(`nothing was measured in ${path.relative(process.cwd(), out) || '.'} yet`);
  const to = options.publish ? HERE : out;
  writeReport(to, results);
  console.log(`table and charts: ${path.relative(process.cwd(), to) || '.'}`);
  for (const name of failed) console.log(`FAIL ${name}`);
  return failed.length ? 1 : 0;
}

async function runAll(options, out) {
  const cache = path.join(TARGET, 'bench-browser', '.cache');
  const shared = { seconds: options.seconds, profile: options.profile, site: await pages(cache), stream: media(options, cache) };
  const failed = [];
  let done = 0;
  for (const run of options.runs) {
    const name = nameOf(run);
    process.stdout.write(`${String((done += 1)).padStart(3)}/${options.runs.length} ${name}: `);
    const result = await one({ ...run, ...shared });
    if (!result) { failed.push(name); console.log('failed'); continue; }
    result.command = `cargo xtask bench browser ${process.argv.slice(2).join(' ')}`.trim();
    const file = path.join(out, name.replaceAll('/', '~'));
    for (const each of result.watched) {
      if (each.profile) writeFileSync(`${file}.cpuprofile`, JSON.stringify(each.profile));
      delete each.profile;
    }
    writeFileSync(`${file}.json`, JSON.stringify(result));
    console.log(oneLine(figures(result)));
  }
  return failed;
}

/** The demo's pages, and what the other products need beside them. */
async function pages(cache) {
  const to = path.join(cache, 'site');
  rmSync(to, { recursive: true, force: true });
  cpSync(site(), to, { recursive: true });
  for (const product of Object.values(products)) await product.bundle?.(to);
  binary();
  return to;
}

function media({ runs, seconds }, cache) {
  const live = loop(cache);
  const isVod = runs.some((run) => run.mode === 'vod');
  return { live, bps: bitsPerSecond(live), film: isVod ? film(cache, seconds + 60) : null };
}

function one(spec) {
  const hub = makeNamespace();
  if (hub) namespaces.add(hub);
  const { star } = FAULTS[spec.fault] ?? {};
  const networks = hub && star ? makeStar(hub, spec.viewers, star) : null;
  networks?.forEach((name) => namespaces.add(name));
  const folder = mkdtempSync(path.join(os.tmpdir(), 'meshedflow-bench-'));
  folders.add(folder);
  const child = spawnIn(hub, process.execPath, [path.join(HERE, 'run.mjs'), JSON.stringify({ ...spec, hub, networks, folder })], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  return new Promise((resolve) => {
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => { out += chunk; });
    child.stderr.on('data', (chunk) => { err += chunk; });
    const late = setTimeout(() => child.kill('SIGKILL'), spec.seconds * 1000 + JOIN_MS + GRACE_MS);
    child.on('close', () => {
      clearTimeout(late);
      children.delete(child);
      for (const name of [...(networks ?? []), hub]) { removeNamespace(name); namespaces.delete(name); }
      rmSync(folder, { recursive: true, force: true });
      const line = out.split('\n').findLast((each) => each.startsWith('RUN '));
      if (!line) console.error(`\n${(out + err).slice(-3000)}`);
      resolve(line ? JSON.parse(line.slice(4)) : null);
    });
  });
}

function readResults(out) {
  if (!existsSync(out)) return [];
  return readdirSync(out).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(path.join(out, name), 'utf8')));
}

function stopAll() {
  for (const child of children) child.kill('SIGKILL');
  for (const name of namespaces) removeNamespace(name);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  children.clear();
  namespaces.clear();
}
