// A browser's program: started in a process group and a folder of its own, both gone when it is stopped.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const START_LIMIT_MS = 20_000;
const ASK_MS = 1500; // from the request to end to the order

export class Program {
  #child;
  #said = '';
  #listeners = new Set();
  ended;

  /** A new folder, for a profile. */
  static folder() { return mkdtempSync(path.join(os.tmpdir(), 'meshedflow-engine-')); }

  constructor(command, args, { folder, env = {} }) {
    this.folder = folder;
    this.#child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: folder, ...env } });
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.on('data', (chunk) => this.#hear(String(chunk)));
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', resolve);
      this.#child.once('error', (error) => { this.#hear(`${error.message}\n`); resolve(); });
    });
  }

  /** The first match of `pattern` in what the program says. */
  says(pattern) {
    return new Promise((resolve, reject) => {
      const look = () => { const found = pattern.exec(this.#said); if (found) done(resolve, found); };
      const fail = (why) => done(reject, new Error(`${this.#child.spawnfile} ${why}; it said:\n${this.#said.slice(-2000)}`));
      const late = setTimeout(() => fail(`did not say ${pattern} within ${START_LIMIT_MS} ms`), START_LIMIT_MS);
      const done = (settle, value) => { clearTimeout(late); this.#listeners.delete(look); settle(value); };
      this.#listeners.add(look);
      this.ended.then(() => fail('ended'));
      look();
    });
  }

  /** Ends the program and all it started: asks first, insists after a while. */
  async stop() {
    this.#signal('SIGTERM');
    const insist = setTimeout(() => this.#signal('SIGKILL'), ASK_MS);
    await this.ended;
    clearTimeout(insist);
    this.#signal('SIGKILL'); // children that outlived their parent
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  #signal(name) {
    try { process.kill(-this.#child.pid, name); } catch { /* nobody left in the group */ }
  }

  #hear(text) {
    this.#said = (this.#said + text).slice(-50_000);
    for (const look of [...this.#listeners]) look();
  }
}
