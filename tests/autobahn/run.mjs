// The edge's WebSocket codec under the Autobahn testsuite: cases 1 to 7 and 10, all of which must pass.
//
//   node tests/autobahn/run.mjs [cases, e.g. 6.4.* 7.*]
//
// The suite is a Python 2.7 program: PYTHON27 names an interpreter with pip if `python2.7` does not. It is installed
// from the package index under target/autobahn, with the versions it asks for, and needs the network only once. The
// codec stands behind an echo server that takes longer messages than the edge. Reports: target/autobahn/reports.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SUITE = 'autobahntestsuite==25.10.1';
const LIMIT_BYTES = 1 << 20;
// What a case may end with. INFORMATIONAL cases have no right answer.
const PASSED = ['OK', 'INFORMATIONAL'];

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const work = join(root, 'target/autobahn');
const packages = join(work, 'packages');
const reports = join(work, 'reports');
const python = process.env.PYTHON27 ?? 'python2.7';

function run(program, args, env = {}) {
  const done = spawnSync(program, args, { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8' });
  if (done.error || done.status !== 0) {
    const why = done.error?.message ?? `${done.stdout}${done.stderr}`.slice(-2_000);
    throw new Error(`${program} ${args.join(' ')}: ${why}`);
  }
}

function install() {
  if (existsSync(join(packages, 'autobahntestsuite'))) return;
  run(python, ['-m', 'pip', 'install', '--quiet', '--target', packages, SUITE]);
}

async function startEcho() {
  const codecs = ['-p', 'meshedflow-edge', '--features', 'fuzz', '--example', 'codecs'];
  run('cargo', ['build', ...codecs]);
  const program = join(root, 'target/debug/examples/codecs');
  const child = spawn(program, ['serve', 'edge', `${LIMIT_BYTES}`], { stdio: ['pipe', 'pipe', 'inherit'] });
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return { address: value, stop: () => child.stdin.end() };
}

function fuzz(address, cases) {
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const spec = join(work, 'spec.json');
  const servers = [{ agent: 'edge', url: `ws://${address}/` }];
  const settings = { outdir: reports, servers, cases, 'exclude-cases': [], 'exclude-agent-cases': {} };
  writeFileSync(spec, JSON.stringify(settings));
  const start = 'import os, site; site.addsitedir(os.environ["PACKAGES"]); from autobahntestsuite.wstest import run; run()';
  run(python, ['-c', start, '--mode', 'fuzzingclient', '--spec', spec], { PACKAGES: packages });
  return JSON.parse(readFileSync(join(reports, 'index.json'), 'utf8')).edge;
}

// `run` blocks this process, but the echo server is one of its own.
install();
const echo = await startEcho();
let results;
try {
  const cases = process.argv.slice(2);
  results = fuzz(echo.address, cases.length > 0 ? cases : ['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '10.*']);
} finally {
  echo.stop();
}

const entries = Object.entries(results);
const tally = {};
for (const [, { behavior }] of entries) tally[behavior] = (tally[behavior] ?? 0) + 1;
const failed = entries.filter(([, r]) => ![r.behavior, r.behaviorClose].every((end) => PASSED.includes(end)));
for (const [name, r] of failed) console.log(`case ${name}: ${r.behavior}, close ${r.behaviorClose}`);
console.log(`${entries.length} cases: ${JSON.stringify(tally)}, ${failed.length} failed`);
process.exitCode = entries.length > 0 && failed.length === 0 ? 0 : 1;
