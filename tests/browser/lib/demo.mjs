// Starts and stops `meshedflow demo`: origin, edge and pages behind one port.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target');
const START_LIMIT_MS = 15_000;

/** The program under test: `MESHEDFLOW_BIN`, else what cargo built last. */
export function binary() {
  const found = process.env.MESHEDFLOW_BIN ?? ['debug', 'release'].map((profile) => path.join(TARGET, profile, 'meshedflow')).find(existsSync);
  if (!found) throw new Error('no meshedflow program: set MESHEDFLOW_BIN, or run `cargo xtask demo` once');
  return found;
}

/** What it serves: `MESHEDFLOW_SITE`, else what `cargo xtask demo` gathered. */
export function site() {
  const found = process.env.MESHEDFLOW_SITE ?? path.join(TARGET, 'demo-site');
  if (!existsSync(path.join(found, 'index.html'))) throw new Error(`no site in ${found}: set MESHEDFLOW_SITE, or run \`cargo xtask demo\` once`);
  return found;
}

/** Starts the demo on a free port, looping `media`, with the pages of `pages` and `more` flags; resolves to `{url, pid, log(), stop()}` once it listens. */
export async function startDemo({ accessLog, media = path.join(ROOT, 'examples/media'), pages = site(), more = [] }) {
  return startServer(['demo', '--port', '0', '--site', pages, '--media', media, '--access-log', accessLog, ...more], accessLog);
}

/** Starts `meshedflow` with `args`, which make it listen on loopback; resolves as {@link startDemo} does. */
export async function startServer(args, accessLog) {
  const child = spawn(binary(), args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const url = await listening(child);
  return {
    url,
    pid: child.pid,
    /** Every request that the origin answered so far. */
    log: () => readLog(accessLog),
    stop: () => stop(child),
  };
}

/** Ends a child by its own id: asks first, insists after two seconds. */
export function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const insist = setTimeout(() => child.kill('SIGKILL'), 2000);
    child.once('exit', () => { clearTimeout(insist); resolve(); });
    child.kill('SIGTERM');
  });
}

function listening(child) {
  return new Promise((resolve, reject) => {
    let said = '';
    const late = setTimeout(() => fail(`said no address within ${START_LIMIT_MS} ms`), START_LIMIT_MS);
    const fail = (why) => { clearTimeout(late); child.kill('SIGKILL'); reject(new Error(`meshedflow ${child.spawnargs[1]} ${why}; it said:\n${said}`)); };
    const hear = (chunk) => {
      said = (said + chunk).slice(-20_000);
      const found = /http:\/\/(?:127\.0\.0\.1|localhost):(\d+)/.exec(said);
      if (found) { clearTimeout(late); resolve(`http://127.0.0.1:${found[1]}`); }
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', (error) => fail(`did not start: ${error.message}`));
    child.once('exit', (code) => fail(`ended with ${code}`));
  });
}

function readLog(file) {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
}
