// Sessions against a scripted core and a scripted origin, on a clock that the test moves.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { ScriptedHttp, ScriptedPort, context, load, loaderConfig, recorder } from './load.mjs';

const { LoadSession, MeshLoad, describeRequest, newStats } = await load('load-session', 'mesh-load', 'load-stats').then(async (a) => ({
  ...a,
  describeRequest: (await load('request')).describe,
}));

let clock = 100_000;
/** Time passes, in small steps, as in a page that is awake. */
async function pause(ms) {
  for (let at = 0; at < ms; at += 5) jump(5);
}
/** Time passes at once, as in a page that was asleep. */
function jump(ms) {
  clock += ms;
  mock.timers.tick(ms);
}
const body = (bytes, value = 1) => new Uint8Array(bytes).fill(value).buffer;
const report = (more = {}) => ({ fromPeers: 0, fromHttp: 0, reportBps: null, reportTtfbMs: 0, reason: 'peer', ...more });
const complete = ({ loading, loaded, total, aborted }) => !aborted && 0 < loading.start && loading.start <= loading.first && loading.first <= loading.end && loaded === total;

let port;
let home;
beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  mock.method(performance, 'now', () => clock);
  port = new ScriptedPort();
  ScriptedHttp.made = [];
  home = {
    live: { port, MeshLoad },
    outcomes: [],
    fallbacks: [],
    offered: [],
    askedFor: 0,
    why: 'core-starting',
    bps: undefined,
    httpLoader: () => new ScriptedHttp(newStats()),
    describe: (c) => describeRequest(c, undefined, {}),
    asked() { this.askedFor++; },
    offer(described, bytes) { this.offered.push({ name: described.request.name, bytes: bytes.byteLength, first: new Uint8Array(bytes)[0] }); },
    estimate() { return this.bps; },
    ended(c, outcome) { this.outcomes.push(outcome); },
    fellBack(_context, reason) { this.fallbacks.push(reason); },
  };
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

function begin({ ctx = context(), config = loaderConfig(), progress = false } = {}) {
  const session = new LoadSession(home);
  const heard = recorder(session, { progress });
  session.load(ctx, config, heard.callbacks);
  const { sink } = port.loads.at(-1) ?? {};
  return { session, stats: session.stats, ctx, config, sink, ...heard };
}

test('plain: the loader of HLS.js works on the very statistics the player holds', () => {
  home.live = null;
  const { session, calls, stats, ctx } = begin();
  const [http] = ScriptedHttp.made;
  assert.equal(session.state, 'plain');
  assert.equal(http.stats, stats);
  http.answer(1000);
  assert.deepEqual(calls.map((c) => c.name), ['success']);
  const [response, theirStats, theirContext, details] = calls[0].args;
  assert.equal(response.data.byteLength, 1000);
  assert.ok(theirStats === stats && theirContext === ctx && details === 'xhr');
  assert.deepEqual(home.offered, [{ name: 'seg_7.m4s', bytes: 1000, first: 7 }]);
  assert.deepEqual([home.outcomes[0].way, home.outcomes[0].reason], ['plain', 'core-starting']);
  assert.equal(http.destroyed, 1);
  assert.equal(session.state, 'ended');
});

test('plain loads never switch, even when a core comes up meanwhile', async () => {
  home.live = null;
  const { calls } = begin();
  home.live = { port, MeshLoad };
  await pause(600);
  assert.equal(port.loads.length, 0);
  ScriptedHttp.made[0].answer(5);
  assert.equal(calls.length, 1);
});

test('what is not media reaches the loader of HLS.js untouched', () => {
  for (const odd of [{ frag: undefined }, { keyInfo: {} }, { responseType: 'json' }]) {
    const { calls, callbacks, ctx, session } = begin({ ctx: context(odd) });
    const http = ScriptedHttp.made.at(-1);
    assert.ok(http.callbacks === callbacks && http.context === ctx, JSON.stringify(odd));
    http.answer(16);
    session.abort();
    assert.equal(calls.length, 1);
  }
  assert.equal(port.loads.length, 0);
  assert.equal(home.askedFor, 0, 'keys start no core');
});

test("a loader of the page's own is never passed by", () => {
  home.httpLoader = () => Object.assign(new ScriptedHttp(newStats()), { xhrSetup: undefined });
  begin();
  assert.equal(port.loads.length, 0);
});

test('the setups of the player go with the request', () => {
  const seen = [];
  home.httpLoader = () => Object.assign(new ScriptedHttp(newStats()), { xhrSetup(...args) { seen.push(this, ...args); } });
  const { ctx } = begin();
  const { recipe } = port.loads[0];
  assert.deepEqual(recipe.headers, { 'CMCD-Request': 'bl=1' });
  assert.equal(recipe.context, ctx);
  recipe.xhrSetup('xhr', 'url', ctx);
  assert.ok(seen[0] instanceof ScriptedHttp, 'this is the loader, as in HLS.js 1.7');
  const fetchSetup = () => {};
  home.httpLoader = () => Object.assign(new ScriptedHttp(newStats()), { xhrSetup: undefined, fetchSetup });
  begin();
  assert.equal(port.loads[1].recipe.fetchSetup, fetchSetup);
});

test('mesh: a body from peers is reported at the rate of the core', async () => {
  const { calls, names, stats, sink, ctx, session } = begin({ progress: true });
  assert.equal(session.state, 'mesh');
  sink.due(performance.now() + 5000, 'elected');
  await pause(20);
  sink.progress(400, 1000);
  assert.deepEqual([stats.loaded, stats.total], [400, 1000]);
  assert.ok(stats.loading.first > stats.loading.start);
  sink.loaded(body(1000), report({ fromPeers: 1000, reportBps: 80_000, reportTtfbMs: 30 }));
  assert.deepEqual(names(), ['progress', 'success']);
  assert.equal(calls[0].args[2].byteLength, 1000);
  const [response, , , details] = calls[1].args;
  assert.deepEqual([response.url, response.code, response.data.byteLength, details], [ctx.url, 200, 1000, null]);
  assert.ok(complete(stats));
  assert.ok(Math.abs(stats.loading.end - stats.loading.first - 100) < 1e-6, '1000 bytes at 80 kbit/s');
  assert.equal(home.outcomes[0].fromPeers, 1000);
  assert.deepEqual(port.aborted, [], 'a finished load is not aborted');
  assert.deepEqual(home.offered, []);
});

test('mesh over HTTP alone: real status, URL and response, times as measured', async () => {
  const { calls, stats, sink } = begin();
  sink.due(null, 'startup');
  await pause(20);
  sink.httpHead(206, 'https://other.example/final', 'response');
  sink.httpBytes(600, 1000);
  sink.httpBytes(400, 1000);
  assert.equal(stats.loaded, 999, 'not finished before it is finished');
  await pause(20);
  sink.loaded(body(1000), report({ fromHttp: 1000 }));
  const [response, , , details] = calls[0].args;
  assert.deepEqual([response.code, response.url, details], [206, 'https://other.example/final', 'response']);
  assert.ok(complete(stats));
  assert.ok(stats.loading.first - stats.loading.start >= 15 && stats.loading.end - stats.loading.first >= 15, 'as measured');
});

test('time spent on peers before HTTP took over is not held against the network', async () => {
  const { stats, sink } = begin();
  sink.due(performance.now() + 1000, 'peer');
  await pause(900);
  sink.due(null, 'peer-slow');
  const since = performance.now();
  await pause(50);
  sink.httpHead(200, 'u', 'response');
  await pause(100);
  sink.due(null, 'peer-slow');
  sink.loaded(body(1000), report({ fromHttp: 1000 }));
  assert.deepEqual(stats.loading, { start: since, first: since + 50, end: since + 150 });
});

test('a body from the store counts at the estimate of the player when the core knows no rate', async () => {
  home.bps = 8_000_000;
  await pause(150);
  const { stats, sink } = begin();
  sink.loaded(body(100_000), report({ fromHttp: 100_000, reason: 'store' }));
  assert.ok(Math.abs(stats.loading.end - stats.loading.first - 100) < 1e-6);
});

test('stats.retry that HLS.js 1.7 set is kept', () => {
  const session = new LoadSession(home);
  session.stats.retry = 3;
  const { callbacks } = recorder(session);
  session.load(context(), loaderConfig(), callbacks);
  port.loads[0].sink.loaded(body(10), report({ fromPeers: 10, reportBps: 1e6 }));
  assert.equal(session.stats.retry, 3);
});

test('a failed GET surfaces as plain HLS.js would have it', () => {
  const one = begin();
  one.sink.failed({ status: 503, text: 'busy', details: 'response', timeout: false });
  assert.deepEqual(one.calls[0].args.slice(0, 3), [{ code: 503, text: 'busy' }, one.ctx, 'response']);
  const two = begin();
  two.sink.failed({ status: 0, text: '', details: null, timeout: true });
  assert.deepEqual(two.names(), ['timeout']);
  assert.deepEqual(port.aborted, []);
});

test('takeover 250 ms past the due time, not before', async () => {
  const { session, sink, calls, stats } = begin();
  sink.due(performance.now() + 300, 'waiting');
  await pause(545);
  assert.equal(session.state, 'mesh');
  await pause(10);
  assert.equal(session.state, 'takeover');
  assert.deepEqual([port.aborted, home.fallbacks], [[0], ['overdue']]);
  const http = ScriptedHttp.made.at(-1);
  await pause(30);
  http.answer(2000);
  assert.deepEqual(calls.map((c) => c.name), ['success']);
  assert.deepEqual(home.offered, [{ name: 'seg_7.m4s', bytes: 2000, first: 7 }]);
  assert.ok(complete(stats));
  assert.equal(stats.loading.start, http.stats.loading.start, 'the wait for the core is not held against the network');
  assert.equal(home.outcomes[0].way, 'takeover');
  assert.ok(home.outcomes[0].ms >= 550, 'but the page is told how long it took');
});

test('a core that says nothing at all is taken over', async () => {
  const { session } = begin();
  await pause(495);
  assert.equal(session.state, 'mesh');
  await pause(10);
  assert.equal(session.state, 'takeover');
});

test('each decision and each byte is a sign of life; HTTP in charge needs none', async () => {
  const fed = begin();
  for (let i = 0; i < 8; i++) {
    await pause(100);
    fed.sink.progress(10 * (i + 1), 1000);
  }
  assert.equal(fed.session.state, 'mesh');
  const renewed = begin();
  const overHttp = begin();
  overHttp.sink.due(null, 'no-peers');
  for (let i = 0; i < 4; i++) {
    renewed.sink.due(performance.now() + 50, 'peer');
    await pause(200);
  }
  assert.equal(renewed.session.state, 'mesh');
  assert.equal(overHttp.session.state, 'mesh');
  for (const { session } of [fed, renewed, overHttp]) session.destroy();
});

test('a page that slept is not taken for a silent core', async () => {
  const { session, sink } = begin();
  jump(900);
  setTimeout(() => sink.due(performance.now() + 5000, 'peer'), 0);
  await pause(100);
  assert.equal(session.state, 'mesh');
  session.destroy();
});

test('bytes that came over HTTP and then verified are counted once', () => {
  const { sink, stats } = begin();
  sink.httpHead(200, 'https://a.example/live/v/seg_7.m4s', {});
  sink.httpBytes(300, 1000);
  assert.equal(stats.loaded, 300);
  // The core counts what this load's own GETs did not bring.
  sink.progress(280, 1000);
  assert.equal(stats.loaded, 580);
  sink.httpBytes(500, 1000);
  assert.equal(stats.loaded, 800, 'the whole body repeats what peers sent');
});

test('a dead core: peer bytes are dropped, one clean GET, monotonic progress', async () => {
  const { session, sink, stats, calls } = begin();
  sink.progress(800, 1000);
  sink.dead('core-dead');
  sink.dead('core-dead');
  assert.equal(session.state, 'takeover');
  const http = ScriptedHttp.made.at(-1);
  assert.equal(ScriptedHttp.made.length, 2);
  Object.assign(http.stats, { loaded: 100, total: 1000 });
  await pause(80);
  assert.equal(stats.loaded, 800);
  http.stats.loaded = 900;
  await pause(80);
  assert.equal(stats.loaded, 900);
  sink.loaded(body(1000, 9), report({ fromPeers: 1000 }));
  assert.equal(calls.length, 0, 'the core is not listened to any more');
  http.answer(1000);
  assert.equal(new Uint8Array(calls[0].args[0].data)[0], 7, "the origin's bytes");
});

test('a takeover that fails says so with the real status', () => {
  const { sink, calls } = begin();
  sink.dead('core-dead');
  ScriptedHttp.made.at(-1).callbacks.onError({ code: 404, text: 'Not Found' }, null, 'xhr');
  assert.deepEqual(calls[0].args[0], { code: 404, text: 'Not Found' });
});

test('a body of the wrong length is never played', () => {
  for (const [ctx, bytes] of [[context(), 0], [context({ rangeStart: 10, rangeEnd: 20 }), 9]]) {
    const { session, sink, calls } = begin({ ctx });
    sink.loaded(body(bytes), report({ fromPeers: bytes, reportBps: 1e6 }));
    assert.equal(session.state, 'takeover');
    assert.equal(calls.length, 0);
    session.destroy();
  }
  home.live = null;
  const empty = begin();
  ScriptedHttp.made.at(-1).answer(0);
  assert.deepEqual(empty.calls[0].args[0], { code: 200, text: 'empty response body' });
  assert.deepEqual(home.offered, []);
});

test('both limits run from load(), and the one in force stands in config.timeout', async () => {
  const first = begin({ config: loaderConfig(120, 5000) });
  first.sink.due(null, 'no-peers');
  assert.equal(first.config.timeout, 120);
  await pause(200);
  assert.deepEqual(first.names(), ['timeout']);
  assert.equal(first.stats.aborted, true);
  assert.deepEqual(port.aborted, [0]);

  const total = begin({ config: loaderConfig(120, 300) });
  total.sink.due(null, 'no-peers');
  total.sink.progress(10, 100);
  assert.equal(total.config.timeout, 300);
  await pause(200);
  assert.deepEqual(total.names(), []);
  await pause(150);
  assert.deepEqual(total.names(), ['timeout']);

  const taken = begin({ config: loaderConfig(5000, 350) });
  taken.sink.progress(10, 100);
  taken.sink.dead('core-dead');
  const http = ScriptedHttp.made.at(-1);
  assert.ok(http.config.loadPolicy.maxLoadTimeMs > 1e9, "the GET's own timers would begin anew");
  assert.equal(taken.config.timeout, 350);
  await pause(400);
  assert.deepEqual([taken.names(), http.aborts, http.destroyed], [['timeout'], 1, 1]);
});

test('abort: at once, once, in every state; nothing after destroy', async () => {
  const states = {
    plain: () => ((home.live = null), begin()),
    mesh: () => ((home.live = { port, MeshLoad }), begin()),
    takeover: () => {
      home.live = { port, MeshLoad };
      const began = begin();
      began.sink.dead('core-dead');
      return began;
    },
  };
  for (const [state, make] of Object.entries(states)) {
    const aborted = make();
    assert.equal(aborted.session.state, state);
    aborted.session.abort();
    assert.deepEqual(aborted.names(), ['abort'], `${state}: synchronously`);
    assert.equal(aborted.stats.aborted, true, state);
    aborted.session.abort();
    aborted.sink?.loaded(body(9), report());
    aborted.session.destroy();
    assert.deepEqual(aborted.names(), ['abort'], `${state}: once`);

    const destroyed = make();
    const http = ScriptedHttp.made.at(-1);
    const { callbacks } = http;
    destroyed.session.destroy();
    destroyed.session.destroy();
    destroyed.session.abort();
    destroyed.sink?.loaded(body(9), report());
    if (state !== 'mesh') callbacks.onSuccess({ url: '', data: body(9), code: 200 }, http.stats, null, null);
    assert.deepEqual(destroyed.names(), [], `${state}: silent after destroy`);
  }
  assert.ok(port.aborted.length >= 2, 'the core was told');
  const unborn = new LoadSession(home);
  unborn.abort();
  unborn.destroy();
});

test('HLS.js may abort from inside onProgress', () => {
  const { session, sink, callbacks, names } = begin({ progress: true });
  const { onProgress } = callbacks;
  callbacks.onProgress = (...args) => {
    onProgress(...args);
    session.abort();
  };
  sink.loaded(body(10), report({ fromPeers: 10, reportBps: 1e6 }));
  assert.deepEqual(names(), ['progress', 'abort']);
});

test('a streaming loader: the body is put together for onSuccess and for the mesh', () => {
  home.live = null;
  const { calls, names } = begin({ progress: true });
  const http = ScriptedHttp.made[0];
  http.callbacks.onProgress(http.stats, null, new Uint8Array([1, 2]), 'response');
  http.callbacks.onProgress(http.stats, null, new Uint8Array([3]).buffer, 'response');
  http.stats.loading.end = performance.now();
  http.callbacks.onSuccess({ url: 'u', data: new ArrayBuffer(0), code: 200 }, http.stats, null, 'response');
  assert.deepEqual(names(), ['progress', 'progress', 'success']);
  assert.deepEqual([...new Uint8Array(calls[2].args[0].data)], [1, 2, 3]);
  assert.deepEqual(home.offered, [{ name: 'seg_7.m4s', bytes: 3, first: 1 }]);
});

test('a loader is used once', () => {
  const { session, callbacks } = begin();
  assert.throws(() => session.load(context(), loaderConfig(), callbacks), /only be used once/);
  session.destroy();
});

test('a limit of the mesh is no fault of the origin: a plain GET brings what is too long to keep', () => {
  const { session, calls, sink } = begin();
  sink.failed({ status: 0, text: 'body too long', details: null, timeout: false, limit: true });
  assert.deepEqual([session.state, calls.length, home.fallbacks], ['takeover', 0, ['too-long']]);
  ScriptedHttp.made.at(-1).answer(1000);
  assert.deepEqual(calls.map((c) => c.name), ['success']);
});

test('a clock of 100 ms, as against fingerprinting: times stay in order, no estimate is NaN, nothing is taken over too soon', async () => {
  mock.method(performance, 'now', () => Math.floor(clock / 100) * 100);
  home.bps = 5e6;
  const ways = {
    'peers, within one tick': async ({ sink }) => { await pause(5); sink.progress(50_000, 100_000); sink.loaded(body(100_000), report({ fromPeers: 100_000, reportBps: 8e6 })); },
    'peers, of unknown rate': async ({ sink }) => { await pause(40); sink.loaded(body(100_000), report({ fromPeers: 100_000 })); },
    'HTTP, within one tick': async ({ sink }) => { sink.due(null, 'no-peers'); sink.httpHead(200, 'u', null); sink.httpBytes(100_000, 100_000); sink.loaded(body(100_000), report({ fromHttp: 100_000 })); },
    'HTTP, over several': async ({ sink }) => { sink.due(null, 'no-peers'); await pause(130); sink.httpHead(200, 'u', null); await pause(250); sink.httpBytes(100_000, 100_000); sink.loaded(body(100_000), report({ fromHttp: 100_000 })); },
    'a core that renews its due time at the last moment': async ({ sink }) => {
      for (let i = 0; i < 4; i++) { sink.due(performance.now() + 100, 'peer'); await pause(330); }
      sink.loaded(body(100_000), report({ fromPeers: 100_000, reportBps: 8e6 }));
    },
  };
  for (const [way, go] of Object.entries(ways)) {
    const { stats, sink, names, session } = begin();
    await go({ sink });
    assert.deepEqual(names(), ['success'], way);
    assert.ok(complete(stats), `${way}: ${JSON.stringify(stats)}`);
    for (const n of [stats.bwEstimate, ...Object.values(stats.loading)]) assert.ok(Number.isFinite(n), `${way}: ${JSON.stringify(stats)}`);
    assert.equal(session.state, 'ended');
  }
  assert.deepEqual(home.fallbacks, []);
});
