// Opens viewers and reads their numbers.

export class Viewers {
  #browser;
  #base;
  all = [];

  constructor(browser, base) {
    this.#browser = browser;
    this.#base = base;
  }

  /**
   * Opens one viewer in a browser context of its own (contexts share no HTTP cache).
   * `query` goes to viewer.html; `faults` are functions of in-page.mjs, or `[function, argument]`.
   */
  async open(name, query = {}, { faults = [], base = this.#base } = {}) {
    // The proxy knows by this name whose request it sees, also where a page may send no header of its own.
    const userAgent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${this.#browser.version()} Safari/537.36 viewer/${name}`;
    const context = await this.#browser.newContext({ viewport: { width: 480, height: 640 }, userAgent });
    const page = await context.newPage();
    for (const fault of faults) await page.addInitScript(...[fault].flat());
    const viewer = new Viewer(name, page);
    this.all.push(viewer);
    const url = new URL('/viewer.html', base);
    url.search = new URLSearchParams({ name, ...query });
    viewer.openedAt = Date.now();
    await page.goto(url.href, { waitUntil: 'commit' });
    return viewer;
  }

  named(name) { return this.all.find((viewer) => viewer.name === name); }

  /** Of all that are still open. */
  reports() { return Promise.all(this.all.filter((viewer) => !viewer.page.isClosed()).map((viewer) => viewer.report())); }
}

export class Viewer {
  #open = new Map();
  requests = [];
  console = [];
  /** WebSockets opened so far. */
  sockets = 0;
  pageErrors = [];

  constructor(name, page) {
    this.name = name;
    this.page = page;
    page.on('request', (request) => {
      const seen = { at: Date.now(), url: request.url(), method: request.method(), range: request.headers().range ?? null, aborted: false };
      this.requests.push(seen);
      this.#open.set(request, seen);
    });
    page.on('requestfailed', (request) => { this.#seen(request).aborted = true; });
    page.on('requestfinished', (request) => { this.#seen(request); });
    page.on('websocket', () => { this.sockets += 1; });
    page.on('console', (message) => this.console.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => this.pageErrors.push(String(error.stack ?? error)));
  }

  /** A request that is over. */
  #seen(request) {
    const seen = this.#open.get(request) ?? {};
    this.#open.delete(request);
    return seen;
  }

  /** URLs of HTTP requests that are not over, their bodies included. */
  underWay() { return Array.from(this.#open.values(), (seen) => seen.url).filter((url) => /^https?:/.test(url)); }

  /** Numbers now; null before the page's script ran. */
  report() { return this.page.evaluate(() => window.viewer?.report() ?? null); }

  fragments() { return this.page.evaluate(() => window.viewer.fragments()); }

  fault() { return this.page.evaluate(() => window.__fault ?? null); }

  /** Waits until the report satisfies `is` (run here, not in the page); fails with `what` and the last report after `limitMs`. */
  async until(what, is, limitMs) {
    const end = Date.now() + limitMs;
    let last = null;
    while (Date.now() < end) {
      last = await this.report();
      if (last && await is(last)) return last;
      await pause(100);
    }
    throw new Error(`${this.name}: ${what} not within ${limitMs} ms; last report: ${brief(last)}; console: ${this.console.slice(-5).join(' | ')}`);
  }

  playing(limitMs = 10_000) { return this.until('first frame', (r) => r.startupMs !== null, limitMs); }

  async close() { await this.page.context().close(); }
}

export function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

/** A report in one line. */
export function brief(r) {
  if (!r) return 'none';
  const startup = r.startupMs === null ? '–' : Math.round(r.startupMs);
  const core = r.sdk?.mesh ? `, reasons ${JSON.stringify(r.reasons)}, elections ${r.sdk.mesh.elections}, sent ${r.sdk.mesh.uploadedBytes} B, peers ${r.peers}` : '';
  return `${r.name} ${r.state} played ${r.playedSeconds.toFixed(1)}/${r.wallSeconds.toFixed(1)} s, stalls ${r.stalls.count}/${Math.round(r.stalls.ms)} ms${r.heldUpSeconds > 0.5 ? ` (held up ${r.heldUpSeconds.toFixed(1)} s)` : ''}, startup ${startup} ms, `
    + `peers ${r.fromPeers} B, HTTP ${r.fromHttp} B, delivered ${r.deliveredBytes} B, errors ${r.errors.map((e) => e.what).join(',') || 'none'}${core}`;
}
