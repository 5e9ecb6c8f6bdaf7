#!/usr/bin/env node
// Browser end-to-end tests: real Chromium, real WebRTC, the real demo. One line a case, then `N passed, N failed`.
//
// A case that fails is run again by itself, at most twice; how many passed only so is told, and more than one of them
// is a failure: see lib/alone.mjs.
//
//   node tests/browser/e2e.mjs [--list] [--long] [--only NAME[,NAME]] [--mutants] [--results FILE] [--jobs N]
//
// Without words it runs what every change must pass, some ten minutes; cases/index.mjs says which cases those are and
// why. --long runs the others as well, all that can fail; --results also those that are only a figure. --mutants runs each fault with the defence switched off that should have caught it, and expects the test to turn red.

import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { all, inGate } from './cases/index.mjs';
import { judgeAlone, verdict } from './lib/alone.mjs';
import { binary, site } from './lib/demo.mjs';
import { makeNamespace, removeNamespace, spawnIn } from './lib/namespace.mjs';
import { writeResults } from './lib/results.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const GRACE_MS = 15_000; // starting and closing, beyond a case's own limit

const wish = arguments_(process.argv.slice(2));
const running = new Set();

if (wish.list) {
  const when = (each) => (inGate(each) ? 'gate' : each.aside ? 'figure' : 'long');
  for (const each of all) console.log(`${when(each).padEnd(6)}  ${each.name}${each.mutant ? `  (mutant: ${each.mutant})` : ''}`);
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => { stopAll(); process.exit(130); });
process.on('exit', stopAll);

try { binary(); site(); } catch (error) { console.error(error.message); process.exit(2); }
const chosen = choose(wish);
const results = [
  ...await pool(chosen.filter((each) => each.alone), 1),
  ...await pool(chosen.filter((each) => !each.alone), wish.jobs),
];
const good = (result) => result.good;
if (!wish.mutants) await judgeAlone(results, { run: (name) => runOne(chosen.find((each) => each.name === name)), tell, good, atMost: 6 });
if (wish.results) writeResults(wish.results, results);
const { failed, lines } = verdict(results, good);
for (const line of lines) console.log(line);
process.exitCode = failed === 0 ? 0 : 1;

function arguments_(given) {
  const read = { list: false, long: false, mutants: false, only: null, results: null, jobs: 2 };
  for (let i = 0; i < given.length; i += 1) {
    const [flag, inline] = given[i].split('=');
    const value = () => inline ?? given[(i += 1)];
    if (flag === '--list') read.list = true;
    else if (flag === '--long') read.long = true;
    else if (flag === '--mutants') read.mutants = true;
    else if (flag === '--only') read.only = value().split(',');
    else if (flag === '--results') read.results = value();
    else if (flag === '--jobs') read.jobs = Number(value());
    else { console.error(`unknown option ${flag}; see the head of e2e.mjs`); process.exit(2); }
  }
  return read;
}

function choose({ only, long, mutants, results }) {
  for (const name of only ?? []) {
    if (!all.some((each) => each.name === name)) { console.error(`no case "${name}"; --list names them`); process.exit(2); }
  }
  if (only) return all.filter((each) => only.includes(each.name) && (!mutants || each.mutant));
  if (mutants) return all.filter((each) => each.mutant);
  return all.filter((each) => results || inGate(each) || (long && !each.aside));
}

async function pool(cases, width) {
  const queue = [...cases];
  const results = [];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const result = await runOne(next);
      results.push(result);
      tell(result);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

async function runOne(each) {
  const mutant = wish.mutants ? each.mutant : '';
  const namespace = makeNamespace();
  const result = await child(namespace, each, mutant);
  removeNamespace(namespace);
  // A mutant must be caught by what the case asserts about us, after its fault was shown to have happened.
  const good = wish.mutants ? !result.ok && result.faulted === true : result.ok;
  return { ...result, good };
}

function child(namespace, each, mutant) {
  return new Promise((resolve) => {
    const process_ = spawnIn(namespace, process.execPath, [path.join(HERE, 'job.mjs'), each.name, mutant], { stdio: ['ignore', 'pipe', 'pipe'] });
    const entry = { process: process_, namespace };
    running.add(entry);
    let out = '';
    let err = '';
    process_.stdout.on('data', (chunk) => { out += chunk; });
    process_.stderr.on('data', (chunk) => { err += chunk; });
    const late = setTimeout(() => process_.kill('SIGKILL'), each.limitMs + GRACE_MS);
    process_.on('close', () => {
      clearTimeout(late);
      running.delete(entry);
      const line = out.split('\n').findLast((l) => l.startsWith('RESULT '));
      resolve(line ? JSON.parse(line.slice(7)) : { name: each.name, mutant, ok: false, seconds: 0, error: `the job ended without a result; it said: ${(out + err).slice(-2000)}` });
    });
  });
}

function stopAll() {
  for (const { process: process_, namespace } of running) {
    process_.kill('SIGKILL');
    removeNamespace(namespace);
  }
  running.clear();
}

function tell(r) {
  const name = r.mutant ? `${r.name} under ${r.mutant}` : r.name;
  const text = r.ok ? r.text ?? '' : r.error;
  console.log(`${r.good ? 'ok  ' : 'FAIL'} ${name} (${r.seconds.toFixed(1)} s) ${text}`);
  if (!r.good && r.stack) console.log(r.stack.split('\n').slice(1, 12).join('\n'));
}
