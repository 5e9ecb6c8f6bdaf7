#!/usr/bin/env node
// The SDK in every engine it is meant for: Chromium as it is and as it was at the floor, Firefox, WebKit. Real browsers,
// the real demo, plain HLS.js beside ours in the same engine. One line a case, then `N passed, N failed`.
//
// A case that fails is run again by itself, at most twice; how many passed only so is told, and more than one of them
// is a failure: see ../lib/alone.mjs.
//
//   node tests/browser/engines/run.mjs [--list] [--only NAME[,NAME]] [--jobs N]

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { judgeAlone, verdict } from '../lib/alone.mjs';
import { binary, site } from '../lib/demo.mjs';
import { makeNamespace, removeNamespace, spawnIn } from '../lib/namespace.mjs';
import { cases, find } from './cases.mjs';

const JOB = path.join(path.dirname(fileURLToPath(import.meta.url)), 'job.mjs');
const LIMIT_MS = 95_000; // beyond a job's own limit

const wish = arguments_(process.argv.slice(2));
const running = new Set();

if (wish.list) {
  for (const { name } of cases) console.log(name);
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => { stopAll(); process.exit(130); });
process.on('exit', stopAll);

let chosen;
try { binary(); site(); chosen = wish.only?.map(find) ?? cases; } catch (error) { console.error(error.message); process.exit(2); }
const results = await pool(chosen, wish.jobs);
const good = (result) => result.ok;
await judgeAlone(results, { run: runOne, tell, good, atMost: 3 });
const { failed, lines } = verdict(results, good);
for (const line of lines) console.log(line);
process.exitCode = failed === 0 ? 0 : 1;

function arguments_(given) {
  const read = { list: false, only: null, jobs: 2 };
  for (let i = 0; i < given.length; i += 1) {
    const [flag, inline] = given[i].split('=');
    const value = () => inline ?? given[(i += 1)];
    if (flag === '--list') read.list = true;
    else if (flag === '--only') read.only = value().split(',');
    else if (flag === '--jobs') read.jobs = Number(value());
    else { console.error(`unknown option ${flag}; see the head of run.mjs`); process.exit(2); }
  }
  return read;
}

async function pool(wanted, width) {
  const queue = [...wanted];
  const results = [];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results.push(tell(await runOne(next.name)));
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

async function runOne(name) {
  const namespace = makeNamespace();
  const result = await child(namespace, name);
  removeNamespace(namespace);
  return result;
}

function child(namespace, name) {
  return new Promise((resolve) => {
    const process_ = spawnIn(namespace, process.execPath, [JOB, name], { stdio: ['ignore', 'pipe', 'pipe'] });
    const entry = { process: process_, namespace };
    running.add(entry);
    let said = '';
    for (const stream of [process_.stdout, process_.stderr]) stream.on('data', (chunk) => { said += chunk; });
    const late = setTimeout(() => process_.kill('SIGKILL'), LIMIT_MS);
    process_.on('close', () => {
      clearTimeout(late);
      running.delete(entry);
      const line = said.split('\n').findLast((l) => l.startsWith('RESULT '));
      resolve(line ? JSON.parse(line.slice(7)) : { name, ok: false, seconds: 0, error: `the job ended without a result; it said: ${said.slice(-2000)}` });
    });
  });
}

function stopAll() {
  for (const { process: process_, namespace } of running) {
    process_.kill('SIGTERM');
    removeNamespace(namespace);
  }
  running.clear();
}

function tell(result) {
  console.log(`${result.ok ? 'ok  ' : 'FAIL'} ${result.name} (${result.seconds.toFixed(1)} s) ${result.ok ? result.text : result.error}`);
  if (!result.ok && result.stack) console.log(result.stack.split('\n').slice(1, 12).join('\n'));
  return result;
}
