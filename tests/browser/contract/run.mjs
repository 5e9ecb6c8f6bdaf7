#!/usr/bin/env node
// The contract with HLS.js, in a real browser, on six of its releases. Each check is run
//   xhr     with HLS.js's own loader: that it passes there proves the check is fair;
//   plain   with ours while a core is being started (for ever: the module never comes);
//   mesh    with ours and a live core, the module as shipped, with nobody to share with;
//   broken  with HLS.js's own loader, one defect added (page/broken.js): that the check fails there proves it can.
//
// Every change must pass the last release of each line and the first of all, `plain` only on the newest. The rest is run by
// `--long`, or by name.
//
//   node tests/browser/contract/run.mjs [--long] [--only TEXT] [--version 1.6.19] [--way mesh]
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { verdict } from '../lib/alone.mjs';
import { launch } from '../lib/chromium.mjs';
import { ALL, LINES, NEWEST, VERSIONS } from './check.mjs';
import { openPage, runCheck } from './lab.mjs';
import { scriptedSdk } from './scripted.mjs';
import { startServer } from './server.mjs';

/** Pages that work at the same time, and checks in each that have no player. */
const PAGES = 4;
const IN_A_PAGE = 8;
/** Of so many runs, thirty at a time, one may pass only alone; with fewer runs, still one. */
const RUNS_FOR_ONE_ALONE = 100;

const require = createRequire(import.meta.url);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const args = process.argv.slice(2);
const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const ONLY = { text: option('--only'), version: option('--version'), way: option('--way') };
const LONG = args.includes('--long') || Object.values(ONLY).some(Boolean);

async function main() {
  const began = performance.now();
  const checks = await allChecks();
  const server = await startServer(await scripts());
  const browser = await launch();
  const results = [];
  const tell = (line, onlyAlone = false) => {
    results.push({ name: `${line.version} ${line.way} ${line.name}`, ok: !line.fault, onlyAlone });
    const text = line.fault ? `\n      ${line.fault.replace(/\n/g, '\n      ')}` : '';
    console.log(`${line.fault ? 'FAIL' : 'pass'}  hls.js ${line.version}  ${line.way}  ${line.name}  ${Math.round(line.ms)} ms${text}`);
  };
  const lab = { browser, server };
  const again = [];
  const last = [];
  const unless = (list, alone) => (line, run) => (line.fault ? list.push(run) && waits(line) : tell(line, alone));
  await pool(batchesOf(checks), PAGES, (batch) => runBatch(lab, batch, unless(again, false)));
  await pool(again, 1, (run) => runBatch(lab, [run], unless(last, true)));
  await pool(last, 1, (run) => runBatch(lab, [run], (line) => tell(line, true)));
  await browser.close();
  server.close();
  console.log(`${((performance.now() - began) / 1000).toFixed(1)} s`);
  const { passed, failed, lines } = verdict(results, (result) => result.ok, Math.max(1, Math.floor(results.length / RUNS_FOR_ONE_ALONE)));
  for (const line of lines) console.log(line);
  process.exit(failed || !passed ? 1 : 0);
}

async function allChecks() {
  const files = readdirSync(here('checks')).filter((name) => name.endsWith('.mjs')).sort();
  const modules = await Promise.all(files.map((name) => import(`./checks/${name}`)));
  return modules.flatMap((module) => module.default).filter((check) => !ONLY.text || check.name.includes(ONLY.text));
}

async function scripts() {
  const all = { sdk: "import('/sdk/index.js').then((sdk) => (window.MeshedFlow = sdk));", scripted: await scriptedSdk() };
  for (const name of readdirSync(here('page'))) all[name] = readFileSync(here(`page/${name}`), 'utf8');
  for (const [version, name] of Object.entries(VERSIONS)) all[`hls-${version}`] = readFileSync(require.resolve(`${name}/dist/hls.min.js`), 'utf8');
  return all;
}

/** Runs that share a page: same version, same condition, no player of their own. Players get a page each, and go first. */
function batchesOf(checks) {
  const shared = new Map();
  const own = [];
  for (const run of checks.flatMap(runsOf)) {
    if (run.check.player) own.push([run]);
    else if (!shared.has(run.page)) shared.set(run.page, [run]);
    else shared.get(run.page).push(run);
  }
  return [...shared.values(), ...own];
}

function runsOf(check) {
  const runs = [];
  for (const version of check.on) for (const condition of check.conditions) runs.push({ check, version, condition, way: condition, page: `${version} ${condition} ${check.scripted ?? ''}` });
  for (const [name, why] of Object.entries(check.broken)) {
    const version = check.brokenOn ?? (check.on.includes(NEWEST) ? NEWEST : check.on[check.on.length - 1]);
    runs.push({ check, version, condition: 'xhr', way: `broken:${name}`, why, page: `${version} broken` });
  }
  return runs.filter((run) => (LONG || inGate(run)) && (!ONLY.version || run.version === ONLY.version) && (!ONLY.way || run.way.startsWith(ONLY.way)));
}

function inGate({ check, version, way }) {
  if (way === 'plain' && check.conditions.includes('mesh')) return version === NEWEST;
  return version === ALL[0] || LINES.includes(version);
}

/** Runs a page's checks. What fails in company is judged by two runs alone: some limits are short, and the machine is shared. */
async function runBatch(lab, batch, told) {
  const [{ version, condition, check }] = batch;
  let opened;
  try {
    opened = await openPage(lab, version, condition, check);
  } catch (error) {
    batch.forEach((run) => told({ ...run, name: run.check.name, ms: 0, fault: `the page did not open: ${error.message}` }, run));
    return;
  }
  await pool(batch, IN_A_PAGE, async (run) => told(await runCheck(lab, opened, run), run));
  // A page that spins does not close; it goes with the browser.
  await Promise.race([opened.close(), new Promise((go) => setTimeout(go, 3000))]);
}

function waits(line) {
  console.error(`again alone  hls.js ${line.version}  ${line.way}  ${line.name}: ${line.fault.split('\n').slice(0, 6).join(' ')}`);
}

/** Works through `items`, `width` at a time. */
async function pool(items, width, work) {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

await main();
