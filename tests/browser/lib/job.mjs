// What one case works with: a demo, a faulty road to it, a browser, viewers, a witness. Closed in reverse order, whatever happened.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { launch } from './chromium.mjs';
import { ROOT, startDemo } from './demo.mjs';
import { mutant } from './in-page.mjs';
import { FaultProxy } from './proxy.mjs';
import { Viewers, pause } from './viewers.mjs';
import { Witness } from './witness.mjs';

export const MASTER = '/live/demo/master.m3u8';

export class Job {
  #closers = [];
  #folder = mkdtempSync(path.join(os.tmpdir(), 'meshedflow-job-'));
  mutant;
  /** Figures worth knowing even when the case fails. */
  note = '';
  /** Set by a fault case once its fault was shown to have happened. */
  faulted = false;

  /** `mutant`: the name of a defence to switch off, or null; `media`: the folder to loop, if not the demo's own. */
  static async open({ mutant: name = null, media } = {}) {
    const job = new Job();
    Object.assign(job, { mutant: name, media });
    job.#closers.push(() => rmSync(job.#folder, { recursive: true, force: true }));
    try {
      await job.#start();
    } catch (error) {
      await job.close();
      throw error;
    }
    return job;
  }

  async #start() {
    this.startedAt = Date.now();
    this.demo = await startDemo({ accessLog: path.join(this.#folder, 'access.jsonl'), media: this.media });
    this.#closers.push(() => this.demo.stop());
    this.proxy = await FaultProxy.start(this.demo.url);
    this.#closers.push(() => this.proxy.stop());
    if (this.mutant) this.proxy.answer('sdk', /^\/sdk\//, mutantSdk);
    this.browser = await launch();
    this.#closers.push(() => this.browser.close());
    this.viewers = new Viewers(this.browser, this.proxy.url);
    this.witness = new Witness(this.demo.url);
    this.witness.start(MASTER);
    this.#closers.push(() => this.witness.stop().catch(() => {}));
  }

  /** Another host with the same stream: it exposes no headers to pages, and refuses preflights. */
  async anotherHost() {
    const host = await FaultProxy.start(this.demo.url);
    host.bare = true;
    this.#closers.push(() => host.stop());
    return host;
  }

  /** Opens a viewer on the mesh, with this job's mutant if there is one. */
  mesh(name, query = {}, { faults = [], ...rest } = {}) {
    const all = this.mutant ? [[mutant, this.mutant], ...faults] : faults;
    return this.viewers.open(name, { mode: 'serve', hash: 1, frags: 1, ...query }, { faults: all, ...rest });
  }

  /** Opens plain HLS.js: the measure of everything. */
  plain(name, query = {}, rest = {}) {
    return this.viewers.open(name, { mode: 'plain', hash: 1, frags: 1, ...query }, rest);
  }

  /** Closes what a case opened, after its browser. */
  onClose(close) { this.#closers.splice(-2, 0, close); }

  /** Waits until so many milliseconds have gone since `since`. */
  async until(since, ms) { await pause(Math.max(0, since + ms - Date.now())); }

  async close() {
    for (const close of this.#closers.reverse()) {
      try { await close(); } catch (error) { console.error(`while closing: ${error.message}`); }
    }
    this.#closers = [];
  }
}

// The SDK's test build: the shipped files, but with defences that can be switched off by name.
const MUTANT_SDK = process.env.MESHEDFLOW_MUTANT_SDK ?? path.join(ROOT, 'js/dist-mutants');
const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/** A file of the build that tests break on purpose. */
export function mutantSdk(url) {
  const file = path.join(MUTANT_SDK, url.pathname.slice('/sdk/'.length));
  return { body: readFileSync(file), type: TYPES[path.extname(file)] ?? 'text/plain' };
}
