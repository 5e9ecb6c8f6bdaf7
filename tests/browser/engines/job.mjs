// One case in this process; run.mjs starts it inside a namespace. Last line: `RESULT {json}`.

import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { startDemo } from '../lib/demo.mjs';
import { MASTER } from '../lib/job.mjs';
import { FaultProxy } from '../lib/proxy.mjs';
import { pause } from '../lib/viewers.mjs';
import { Witness } from '../lib/witness.mjs';
import { find } from './cases.mjs';
import { start } from './engines.mjs';
import { serveFloor } from './page/build.mjs';
import { judge, meshed } from './verdict.mjs';
import { FloorViewer } from './viewer.mjs';

const LIMIT_MS = 75_000;
const WATCH_MS = 12_000;
const PEERS_LIMIT_MS = 15_000;
const CHANCE_MS = 5_000;

class EnginesJob {
  #closers = [];
  viewers = [];

  async open({ engines }) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'meshedflow-engines-'));
    this.#closers.push(() => rmSync(folder, { recursive: true, force: true }));
    this.demo = await startDemo({ accessLog: path.join(folder, 'access.jsonl') });
    this.#closers.push(() => this.demo.stop());
    this.proxy = await FaultProxy.start(this.demo.url);
    this.#closers.push(() => this.proxy.stop());
    await serveFloor(this.proxy);
    this.witness = new Witness(this.demo.url);
    this.witness.start(MASTER);
    this.#closers.push(() => this.witness.stop().catch(() => {}));
    const starting = await Promise.allSettled(engines.map(([engine]) => start(engine)));
    this.browsers = starting.map(({ value }) => value).filter(Boolean);
    for (const browser of this.browsers) this.#closers.push(() => browser.close());
    const failed = starting.find(({ reason }) => reason);
    if (failed) throw failed.reason;
  }

  /** One after the other, each playing before the next comes: first plain HLS.js everywhere, then the mesh. */
  async seat({ engines }) {
    const seats = engines.flatMap(([, players], i) => players.map((player) => ({ browser: this.browsers[i], player })));
    const isPlain = ({ player }) => player.build === 'plain';
    for (const { browser, player } of [...seats.filter(isPlain), ...seats.filter((seat) => !isPlain(seat))]) {
      const viewer = new FloorViewer(browser, player, await browser.page());
      this.viewers.push(viewer);
      await viewer.open(this.proxy.url);
    }
  }

  get ours() { return this.viewers.filter((viewer) => viewer.build !== 'plain'); }

  plainOf(viewer) { return this.viewers.find((other) => other.browser === viewer.browser && other.build === 'plain'); }

  /** Long enough to tell, and until everybody who can has something from a peer. */
  async watch() {
    await pause(WATCH_MS);
    for (const viewer of this.ours) if (wanted.hold === meshed) await this.#takes(viewer);
  }

  /** Elections may leave all fetching to one of a pair for long. It then joins anew, and finds what the other has. */
  async #takes(viewer) {
    const took = (r) => r.fromPeers > 0;
    const inTime = await viewer.until('bytes from peers', took, CHANCE_MS).catch(() => null);
    if (inTime) return;
    viewer.sentBefore = (await viewer.report()).sdk.mesh?.uploadedBytes ?? 0;
    await viewer.open(this.proxy.url);
    await viewer.until('bytes from peers, once it had joined anew', took, PEERS_LIMIT_MS);
  }

  async close() {
    for (const close of this.#closers.splice(0).reverse()) {
      try { await close(); } catch (error) { console.error(`while closing: ${error.message}`); }
    }
  }
}

const wanted = find(process.argv[2]);
const job = new EnginesJob();
const began = Date.now();
let ending = false;

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => end({ ok: false, error: `ended by ${signal}` }));
const late = setTimeout(() => end({ ok: false, error: `not done within ${LIMIT_MS} ms` }), LIMIT_MS);

try {
  await job.open(wanted);
  await job.seat(wanted);
  await job.watch();
  await end({ ok: true, text: await judge(job, wanted) });
} catch (error) {
  await end({ ok: false, error: String(error.message ?? error).trim().split('\n')[0], stack: String(error.stack ?? '') });
}

async function end(result) {
  if (ending) return;
  ending = true;
  clearTimeout(late);
  await job.close();
  console.log(`RESULT ${JSON.stringify({ name: wanted.name, seconds: (Date.now() - began) / 1000, ...result })}`);
  process.exit(result.ok ? 0 : 1);
}
