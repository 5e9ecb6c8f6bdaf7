// Brings TypeScript of js/src into Node's tests.
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

/** The exports of one or more files of js/src, bundled together so that they share classes. */
export async function load(...files) {
  const contents = files.map((file) => `export * from './${file}.js';`).join('\n');
  const result = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('../src', import.meta.url)) },
    bundle: true,
    format: 'esm',
    target: 'es2020',
    write: false,
    external: ['meshedflow-wasm'],
    plugins: [{ name: 'no core', setup: (b) => b.onResolve({ filter: /\/late\.js$/ }, () => ({ path: 'late', external: true })) }],
  });
  return import(`data:text/javascript;base64,${Buffer.from(result.outputFiles[0].contents).toString('base64')}`);
}

/** A scripted core: records what it is asked, and lets a test speak to the sessions. */
export class ScriptedPort {
  alive = true;
  lanes = [];
  infos = [];
  loads = [];
  aborted = [];
  offered = [];
  reports = [];
  consents = [];
  closed = 0;
  listener = () => {};

  lane(info) {
    const key = `${info.kind} ${info.playlist}`;
    if (!this.lanes.includes(key)) this.lanes.push(key);
    this.infos.push(info);
    return this.lanes.indexOf(key);
  }
  load(request, recipe, sink) {
    this.loads.push({ request, recipe, sink });
    return this.loads.length - 1;
  }
  abort(id) { this.aborted.push(id); }
  offer(request, body, recipe, took) { this.offered.push({ request, bytes: new Uint8Array(body.slice(0)), took }); }
  player(event) { this.reports.push(event); }
  consent(given) { this.consents.push(given); }
  stats() { return { peers: 3 }; }
  onEvent(listener) { this.listener = listener; }
  close() { this.closed++; this.alive = false; }
}

/** Stands where HLS.js's own loader would: a test answers for the origin. */
export class ScriptedHttp {
  static made = [];
  xhrSetup = null;
  context = null;
  aborts = 0;
  destroyed = 0;
  constructor(stats) {
    this.stats = stats;
    ScriptedHttp.made.push(this);
  }
  load(context, config, callbacks) {
    if (this.stats.loading.start) throw new Error('Loader can only be used once.');
    this.stats.loading.start = performance.now();
    Object.assign(this, { context, config, callbacks });
  }
  abort() {
    this.aborts++;
    this.callbacks?.onAbort?.(this.stats, this.context, 'xhr');
  }
  destroy() {
    this.destroyed++;
    this.callbacks = null;
  }
  /** The origin answers with so many bytes. */
  answer(bytes, code = 200) {
    const { loading } = this.stats;
    loading.first = performance.now();
    loading.end = performance.now() + 5;
    this.stats.loaded = this.stats.total = bytes;
    this.callbacks.onSuccess({ url: `${this.context.url}#final`, data: new Uint8Array(bytes).fill(7).buffer, code }, this.stats, this.context, 'xhr');
  }
}

const BASE = 'https://cdn.example/live/demo/v360/index.m3u8';

/** A loader context as HLS.js makes it for a segment. */
export function context(more = {}, frag = {}) {
  const url = 'https://cdn.example/live/demo/v360/seg_7.m4s';
  return {
    url, responseType: 'arraybuffer', headers: { 'CMCD-Request': 'bl=1' }, rangeStart: 0, rangeEnd: 0, part: null,
    frag: { sn: 7, cc: 2, type: 'main', level: 1, duration: 4.004, relurl: 'seg_7.m4s', baseurl: `${BASE}?token=1`, ...frag },
    ...more,
  };
}

export function loaderConfig(first = 10_000, total = 20_000) {
  return { loadPolicy: { maxTimeToFirstByteMs: first, maxLoadTimeMs: total, timeoutRetry: null, errorRetry: null }, timeout: total, maxRetry: 0, retryDelay: 0, maxRetryDelay: 0, highWaterMark: 131072 };
}

/** Callbacks that write down what is called; like HLS.js, they destroy the loader from inside each terminal one. */
export function recorder(session, { progress = false } = {}) {
  const calls = [];
  const terminal = (name) => (...args) => {
    calls.push({ name, args });
    session.destroy();
  };
  const callbacks = { onSuccess: terminal('success'), onError: terminal('error'), onTimeout: terminal('timeout'), onAbort: terminal('abort') };
  if (progress) callbacks.onProgress = (...args) => calls.push({ name: 'progress', args });
  return { calls, callbacks, names: () => calls.map((call) => call.name) };
}
