// A viewer in any engine, with the members that the checks of `lib/` read.

import { brief, pause } from '../lib/viewers.mjs';

const FIRST_FRAME_LIMIT_MS = 15_000;

export class FloorViewer {
  /** Bytes sent to peers before the page was opened anew. */
  sentBefore = 0;

  constructor(browser, player, page) {
    this.browser = browser;
    this.player = player;
    this.page = page;
    this.name = [browser.name, ...Object.values(player)].join('-');
  }

  get build() { return this.player.build; }

  /** Resolves with the first frame. */
  async open(base) {
    const url = new URL('/engines/floor.html', base);
    url.search = new URLSearchParams({ name: this.name, ...this.player });
    await this.page.open(url.href);
    await this.until('first frame', (r) => r.startupMs !== null, FIRST_FRAME_LIMIT_MS);
  }

  report() { return this.page.evaluate('window.floor ? window.floor.report() : null'); }

  fragments() { return this.page.evaluate('window.floor.fragments()'); }

  /** Errors of scripts, as the page and the browser saw them. */
  async pageErrors() { return [...this.page.errors, ...(await this.report()).seen.errors]; }

  /** Console lines, of the page's scripts and of the browser's own. */
  async lines() { return [...this.page.console, ...(await this.report()).seen.console]; }

  async until(what, is, limitMs) {
    const end = Date.now() + limitMs;
    let last = null;
    do {
      last = await this.report();
      if (last?.failed) throw new Error(`${this.name}: ${last.failed}`);
      if (last && is(last)) return last;
      await pause(100);
    } while (Date.now() < end);
    throw new Error(`${this.name}: ${what} not within ${limitMs} ms; last report: ${brief(last)}; it said: ${last ? (await this.lines()).slice(-5).join(' | ') : 'nothing'}`);
  }
}
