// WebKitGTK's MiniBrowser by WebDriver, on a display and a message bus of its own.

import { existsSync } from 'node:fs';
import net from 'node:net';
import { Program } from './program.mjs';

const MINI_BROWSER = ['x86_64', 'aarch64'].map((cpu) => `/usr/lib/${cpu}-linux-gnu/webkit2gtk-4.1/MiniBrowser`).find(existsSync);
// As root, and without a graphics card.
const ENV = { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', WEBKIT_DISABLE_DMABUF_RENDERER: '1', WEBKIT_DISABLE_COMPOSITING_MODE: '1', NO_AT_BRIDGE: '1' };
const START_LIMIT_MS = 20_000;

export class WebKit {
  #program;
  #base;
  #session;
  #first = true;
  /** One window answers at a time. */
  #turn = Promise.resolve();
  name = 'webkit';

  static async launch() {
    if (!MINI_BROWSER) throw new Error('no MiniBrowser of WebKitGTK 4.1: the Debian package webkit2gtk-driver brings it');
    const port = await freePort();
    const folder = Program.folder();
    const program = new Program('xvfb-run', ['-a', 'dbus-run-session', '--', 'WebKitWebDriver', '--host=127.0.0.1', `--port=${port}`], { folder, env: ENV });
    try {
      return await new WebKit(program, `http://127.0.0.1:${port}`).#begin();
    } catch (error) {
      await program.stop();
      throw error;
    }
  }

  constructor(program, base) {
    this.#program = program;
    this.#base = base;
  }

  async #begin() {
    const end = Date.now() + START_LIMIT_MS;
    while (!(await this.#ready())) {
      if (Date.now() > end) throw new Error('WebKitWebDriver did not get ready');
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
    const { sessionId, capabilities } = await this.#ask('POST', '/session', { capabilities: { alwaysMatch: {
      'webkitgtk:browserOptions': { binary: MINI_BROWSER, args: ['--automation'] },
      timeouts: { script: 20_000 },
    } } });
    this.#session = `/session/${sessionId}`;
    this.version = `WebKitGTK/${capabilities.browserVersion}`;
    return this;
  }

  #ready() { return this.#ask('GET', '/status').then(({ ready }) => ready, () => false); }

  async #ask(method, path, body) {
    const answer = await fetch(this.#base + path, { method, body: body && JSON.stringify(body), headers: body ? { 'content-type': 'application/json' } : {} });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${value?.error} ${value?.message}`);
    return value;
  }

  /** Runs one command in a window, after those that were asked for before. */
  in(handle, method, path, body) {
    const done = this.#turn.then(async () => {
      await this.#ask('POST', `${this.#session}/window`, { handle });
      return this.#ask(method, this.#session + path, body);
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  /** A page in a window of its own. */
  async page() {
    const opened = this.#first ? this.#ask('GET', `${this.#session}/window`) : this.#ask('POST', `${this.#session}/window/new`, { type: 'window' });
    this.#first = false;
    const answer = await opened;
    return new WebKitPage(this, answer.handle ?? answer);
  }

  async close() {
    await this.#ask('DELETE', this.#session).catch(() => {});
    await this.#program.stop();
  }
}

/** WebDriver tells nothing of console and exceptions: the page has to. */
class WebKitPage {
  errors = [];
  console = [];

  constructor(browser, handle) {
    this.browser = browser;
    this.handle = handle;
  }

  async open(url) { await this.browser.in(this.handle, 'POST', '/url', { url }); }

  async evaluate(expression) {
    const script = 'const done = arguments[arguments.length - 1];'
      + `Promise.resolve(${expression}).then((value) => done(JSON.stringify({ value })), (error) => done(JSON.stringify({ error: String(error) })));`;
    const { value, error } = JSON.parse(await this.browser.in(this.handle, 'POST', '/execute/async', { script, args: [] }));
    if (error) throw new Error(error);
    return value ?? null;
  }
}

/** The driver takes a port, but does not tell of one that it chose. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
