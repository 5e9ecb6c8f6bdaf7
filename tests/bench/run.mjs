// One run in this process; bench.mjs starts it inside a namespace: `node run.mjs SPEC`, SPEC as JSON. Last line: `RUN {json}`.

import { chmodSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { launch, program } from '../browser/lib/chromium.mjs';
import { startDemo, startServer } from '../browser/lib/demo.mjs';
import { HUB_ADDRESS } from '../browser/lib/namespace.mjs';
import { FaultProxy } from '../browser/lib/proxy.mjs';
import { Viewers, pause } from '../browser/lib/viewers.mjs';
import { FAULTS } from './faults.mjs';
import { watchesPeers } from './in-page.mjs';
import { STREAM } from './media.mjs';
import { MODES } from './options.mjs';
import { products } from './products/index.mjs';
import { WARM_MS, Watched, isListRequest } from './samples.mjs';
import { isMedia } from '../browser/offload.mjs';

/** The origin as all products get it. */
export const ORIGIN = { rateKbps: 20_000, delayMs: 30 };
/** A warm part shorter than this tells nothing. */
const LEAST_WARM_MS = 12_000;

class Run {
  #closers = [];
  all = [];

  constructor(spec) {
    Object.assign(this, spec, { modeOf: MODES[spec.mode], productOf: products[spec.product], faultOf: FAULTS[spec.fault] ?? {} });
  }

  async measured() {
    await this.#servers();
    await this.#roads();
    this.faultOf.begin?.(this);
    await this.#join();
    await this.#play();
    return this.#result();
  }

  async #servers() {
    const log = path.join(this.folder, 'access.jsonl');
    const { rateKbps, delayMs } = { ...ORIGIN, ...this.faultOf.shape?.(this.stream) };
    const shaped = ['--rate-kbps', String(rateKbps), '--delay-ms', String(delayMs)];
    this.shape = { rateKbps, delayMs };
    const policy = path.join(this.folder, 'policy.json');
    writeFileSync(policy, JSON.stringify(this.productOf.policy ?? { version: 1, enabled: true }));
    const { live, window = 6 } = this.modeOf;
    const demo = await startDemo({ accessLog: log, media: this.stream.live, pages: this.site, more: ['--stream', STREAM, '--window', String(window), '--policy', policy, ...(live ? shaped : [])] });
    this.#closers.push(() => demo.stop());
    this.page = demo.url;
    this.origin = demo;
    this.src = `${demo.url}/live/${STREAM}/master.m3u8`;
    if (!live) {
      const films = path.join(this.folder, 'films.jsonl');
      this.origin = await startServer(['origin', 'serve', '--stream', STREAM, '--key', path.join(this.stream.film, 'bench.key'), '--listen', '127.0.0.1:0', '--access-log', films, ...shaped, this.stream.film], films);
      this.#closers.push(() => this.origin.stop());
      this.src = `${this.origin.url}/vod/${STREAM}/master.m3u8`;
    }
    this.tracker = await this.productOf.tracker?.();
    if (this.tracker) this.#closers.push(() => this.tracker.stop());
  }

  /** Ways to the servers that are not the straight one: from other networks, or through what can cut them. */
  async #roads() {
    if (this.faultOf.star && !this.networks) throw new Error(`the fault "${this.fault}" needs network namespaces: Linux, and root`);
    if (this.faultOf.star) {
      const road = await this.#proxy(this.page);
      this.page = `http://${HUB_ADDRESS}:${road.port}`;
      this.src = new URL(new URL(this.src).pathname, this.page).href;
      if (this.tracker) this.tracker.url = `ws://${HUB_ADDRESS}:${new URL(this.tracker.url).port}`;
    }
    if (this.faultOf.proxied) {
      this.signaling = await this.#proxy(this.tracker ? this.tracker.url.replace('ws', 'http') : this.page);
      if (this.tracker) this.tracker.url = this.signaling.url.replace('http', 'ws');
    }
  }

  async #proxy(target) {
    const proxy = await FaultProxy.start(target);
    this.#closers.push(() => proxy.stop());
    return proxy;
  }

  async #join() {
    this.startedAt = Date.now();
    const shared = this.networks && this.faultOf.star ? null : await this.#browser();
    for (let i = 0; i < this.viewers; i += 1) {
      await pause(Math.max(0, this.startedAt + i * this.modeOf.gapMs - Date.now()));
      const browser = shared ?? await this.#browser(this.networks[i]);
      await this.#open(browser, i);
    }
    this.lastJoinAt = Date.now();
  }

  async #browser(network) {
    const more = network ? [`--unsafely-treat-insecure-origin-as-secure=${this.page}`] : [];
    const browser = await launch({ ...(network ? { executablePath: this.#wrapper(network) } : {}), more });
    this.#closers.push(() => browser.close());
    this.chromium = browser.version();
    return browser;
  }

  #wrapper(network) {
    const file = path.join(this.folder, `chromium-${network}`);
    writeFileSync(file, `#!/bin/sh\nexec ip netns exec ${network} ${program} "$@"\n`);
    chmodSync(file, 0o755);
    return file;
  }

  async #open(browser, index) {
    const { behind } = this.modeOf;
    // By its defaults HLS.js would fetch a film of this rate whole, at once.
    const settings = behind ? { liveSyncDurationCount: behind } : { maxMaxBufferLength: 30 };
    const scene = { settings, index, streamId: STREAM, tracker: this.tracker?.url, signaling: this.signaling, loopback: !this.faultOf.star };
    const victim = index === 0 && this.faultOf.victim;
    const faults = [watchesPeers, ...this.productOf.faults(scene), ...(victim && this.faultOf.inPage ? [this.faultOf.inPage] : [])];
    const query = { src: this.src, stream: STREAM, hls: '1.7', ...this.productOf.query(scene) };
    const viewer = await new Viewers(browser, this.page).open(`viewer-${index + 1}`, query, { faults });
    if (victim) this.victim = viewer;
    this.all.push(await Watched.of(viewer, { victim, worker: this.productOf.worker(index), profiled: this.profile && index === this.viewers - 1 }));
  }

  async #play() {
    this.warmAt = this.lastJoinAt + WARM_MS;
    this.endAt = Math.max(this.startedAt + this.seconds * 1000, this.warmAt + LEAST_WARM_MS);
    await this.#watchUntil(this.warmAt);
    await Promise.all(this.all.map((each) => each.mark()));
    if (this.faultOf.strike) {
      await this.#watchUntil(this.warmAt + (this.endAt - this.warmAt) / 4);
      const struck = this.faultOf.strike(this).then((said) => { this.struck = said; });
      await this.#watchUntil(this.endAt);
      await struck;
    }
    await this.#watchUntil(this.endAt);
    await Promise.all(this.all.map((each) => each.end()));
    this.endedAt = Date.now();
  }

  async #watchUntil(moment) {
    while (Date.now() < moment) {
      await pause(Math.min(2000, moment - Date.now()));
      await Promise.all(this.all.map((each) => each.look()));
    }
  }

  #result() {
    const { mode, viewers, product, fault, seconds, shape, startedAt, lastJoinAt, warmAt, endedAt, chromium, struck } = this;
    const lines = this.origin.log();
    return {
      mode, viewers, product, fault, seconds, shape, streamBps: this.stream.bps, startedAt, lastJoinAt, warmAt, endedAt, chromium, struck,
      kernel: os.release(), node: process.version,
      media: lines.filter((line) => isMedia(line) && line.t <= endedAt).map(({ t, path: of, bytes, ms, range, status, ua }) => ({ t, path: of, bytes, ms, range, status, who: /viewer\/(\S+)/.exec(ua ?? '')?.[1] })),
      lists: lines.filter((line) => isListRequest(line) && line.t <= endedAt).map(({ t, path: of, bytes, status }) => ({ t, path: of, bytes, status })),
      watched: this.all.map((each) => each.result()),
    };
  }

  async close() {
    for (const close of this.#closers.splice(0).reverse()) {
      try { await close(); } catch (error) { console.error(`while closing: ${error.message}`); }
    }
  }
}

const run = new Run(JSON.parse(process.argv[2]));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => run.close().finally(() => process.exit(130)));
try {
  const result = await run.measured();
  await run.close();
  process.stdout.write(`RUN ${JSON.stringify(result)}\n`, () => process.exit(0));
} catch (error) {
  await run.close();
  console.error(error.stack);
  process.exit(1);
}
