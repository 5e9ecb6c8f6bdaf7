// Firefox by WebDriver BiDi, which it speaks itself: no other program between.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Program } from './program.mjs';
import { Wire } from './wire.mjs';

// What would go to the network on its own. All else is as Firefox comes.
const PREFERENCES = {
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

export class Firefox {
  #program;
  #wire;
  name = 'firefox';

  static async launch(executable = 'firefox-esr') {
    const folder = Program.folder();
    const lines = Object.entries(PREFERENCES).map(([key, value]) => `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});`);
    writeFileSync(path.join(folder, 'user.js'), lines.join('\n'));
    const args = ['--headless', '--no-remote', '--new-instance', '--profile', folder, '--remote-debugging-port', '0', 'about:blank'];
    const program = new Program(executable, args, { folder, env: { MOZ_CRASHREPORTER_DISABLE: '1' } });
    try {
      const [, url] = await program.says(/WebDriver BiDi listening on (ws:\S+)/);
      return await new Firefox(program, await Wire.open(`${url}/session`)).#begin();
    } catch (error) {
      await program.stop();
      throw error;
    }
  }

  constructor(program, wire) {
    this.#program = program;
    this.#wire = wire;
  }

  async #begin() {
    const { capabilities } = await this.#wire.call('session.new', { capabilities: {} });
    this.version = `Firefox/${capabilities.browserVersion}`;
    await this.#wire.call('session.subscribe', { events: ['log.entryAdded'] });
    return this;
  }

  /** A page in a container and a window of its own: windows are not throttled as tabs behind one another are. */
  async page() {
    const { userContext } = await this.#wire.call('browser.createUserContext');
    const { context } = await this.#wire.call('browsingContext.create', { type: 'window', userContext });
    return new FirefoxPage(this.#wire, context);
  }

  async close() {
    this.#wire.close();
    await this.#program.stop();
  }
}

class FirefoxPage {
  #wire;
  #context;
  errors = [];
  console = [];

  constructor(wire, context) {
    this.#wire = wire;
    this.#context = context;
    wire.on(({ method, params }) => method === 'log.entryAdded' && params.source.context === context && this.#hear(params));
  }

  async open(url) { await this.#wire.call('browsingContext.navigate', { context: this.#context, url, wait: 'interactive' }); }

  async evaluate(expression) {
    const answer = await this.#wire.call('script.evaluate', {
      expression: `Promise.resolve(${expression}).then((value) => JSON.stringify(value === undefined ? null : value))`,
      target: { context: this.#context }, awaitPromise: true,
    });
    if (answer.type === 'exception') throw new Error(answer.exceptionDetails.text);
    return JSON.parse(answer.result.value);
  }

  #hear({ type, level, text }) {
    if (type === 'javascript' && level === 'error') this.errors.push(text);
    if (type === 'javascript') this.console.push(`${level}: ${text}`);
  }
}
