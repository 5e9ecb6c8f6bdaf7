// What is read of one viewer while it plays.

const LISTS = /\.mfi\.json$|\/keys\.json$/;
/** So long after the last viewer joined, the mesh counts as warm. */
export const WARM_MS = 10_000;

/** A request that only signed lists cause. */
export function isListRequest(line) { return LISTS.test(line.path); }

export class Watched {
  #viewer;
  #cdp;
  #facts;
  #looks = [];
  #last = null;
  #marks = [];

  static async of(viewer, facts) {
    const cdp = await viewer.page.context().newCDPSession(viewer.page);
    await cdp.send('Performance.enable');
    return new Watched(viewer, cdp, facts);
  }

  constructor(viewer, cdp, facts) {
    this.#viewer = viewer;
    this.#cdp = cdp;
    this.#facts = facts;
  }

  get #open() { return !this.#viewer.page.isClosed(); }

  /** A short look, so that a viewer who vanishes is known till then. */
  async look() {
    if (!this.#open) return;
    try {
      const seen = await this.#viewer.page.evaluate(() => window.viewer && ({ report: window.viewer.report(), bodies: window.viewer.bodies, bench: { ...window.__bench } }));
      if (!seen) return;
      this.#last = seen;
      this.#looks.push({ at: Date.now(), latency: seen.report.latencySeconds, played: seen.report.playedSeconds, stalls: seen.report.stalls.ms });
    } catch (error) {
      if (this.#open) throw error; // else it vanished just now
    }
  }

  /** Where the warm part begins. */
  async mark() {
    if (!this.#open) return;
    if (this.#facts.profiled) {
      await this.#cdp.send('Profiler.enable');
      await this.#cdp.send('Profiler.start');
    }
    this.#marks.push(await this.#metrics());
  }

  async end() {
    await this.look();
    if (!this.#open) return;
    this.#marks.push(await this.#metrics());
    if (this.#facts.profiled) this.profile = (await this.#cdp.send('Profiler.stop')).profile;
    this.carried = await this.#viewer.page.evaluate(() => window.__bench.carried());
    await this.#cdp.send('HeapProfiler.collectGarbage');
    this.heap = await this.#cdp.send('Runtime.getHeapUsage');
    this.wasmBytes = await this.#viewer.page.evaluate(() => window.__bench.memory?.buffer.byteLength ?? 0);
  }

  async #metrics() {
    const { metrics } = await this.#cdp.send('Performance.getMetrics');
    const of = (name) => metrics.find((each) => each.name === name)?.value ?? 0;
    return { at: Date.now(), taskS: of('TaskDuration'), scriptS: of('ScriptDuration') };
  }

  result() {
    const { name, openedAt, signaling, pageErrors, sockets, console: said } = this.#viewer;
    return {
      name, openedAt, signaling, sockets, pageErrors, said: said.slice(-20), ...this.#facts, stayed: this.#open,
      ...this.#last, looks: this.#looks, marks: this.#marks, carried: this.carried ?? null, heap: this.heap ?? null, profile: this.profile, wasmBytes: this.wasmBytes ?? 0,
    };
  }
}
