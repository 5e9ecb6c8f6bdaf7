// Chromium of any age, by the DevTools protocol alone: drivers made for today's releases refuse those of 2020.

import { Program } from './program.mjs';
import { Wire } from './wire.mjs';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--mute-audio',
  '--disable-dev-shm-usage', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding', '--remote-debugging-port=0',
];

export class Chromium {
  #program;
  #wire;

  static async launch(name, executable, flags = []) {
    const folder = Program.folder();
    const program = new Program(executable, [...FLAGS, ...flags, `--user-data-dir=${folder}`], { folder });
    try {
      const [, url] = await program.says(/DevTools listening on (ws:\S+)/);
      const browser = new Chromium(name, program, await Wire.open(url));
      browser.version = (await browser.#wire.call('Browser.getVersion')).product.replace(/^HeadlessChrome/, 'Chromium');
      return browser;
    } catch (error) {
      await program.stop();
      throw error;
    }
  }

  constructor(name, program, wire) {
    this.name = name;
    this.#program = program;
    this.#wire = wire;
  }

  /** A page in a context of its own: contexts share no cache. */
  async page() {
    const wire = this.#wire;
    const { browserContextId } = await wire.call('Target.createBrowserContext');
    const { targetId } = await wire.call('Target.createTarget', { url: 'about:blank', browserContextId, width: 640, height: 480 });
    const { sessionId } = await wire.call('Target.attachToTarget', { targetId, flatten: true });
    const page = new ChromiumPage(wire, sessionId);
    for (const domain of ['Page', 'Runtime', 'Log']) await page.call(`${domain}.enable`);
    return page;
  }

  async close() {
    this.#wire.close();
    await this.#program.stop();
  }
}

class ChromiumPage {
  #wire;
  #sessionId;
  /** What only the browser knows: exceptions, and lines about requests, policies, deprecations. */
  errors = [];
  console = [];

  constructor(wire, sessionId) {
    this.#wire = wire;
    this.#sessionId = sessionId;
    wire.on((message) => message.sessionId === sessionId && this.#hear(message));
  }

  call(method, params) { return this.#wire.call(method, params, { sessionId: this.#sessionId }); }

  async open(url) { await this.call('Page.navigate', { url }); }

  /** The value of an expression, or of its promise. */
  async evaluate(expression) {
    const answer = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (answer.exceptionDetails) throw new Error(describe(answer.exceptionDetails));
    return answer.result.value;
  }

  #hear({ method, params }) {
    if (method === 'Runtime.exceptionThrown') this.errors.push(describe(params.exceptionDetails));
    if (method === 'Log.entryAdded') this.console.push(`${params.entry.level}: ${params.entry.text} ${params.entry.url ?? ''}`);
  }
}

function describe({ text, exception }) {
  return exception?.description ?? `${text} ${exception?.value ?? ''}`;
}
