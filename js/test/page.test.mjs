// The life of a page's core, from the first segment to the end, with the late chunk scripted.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { ScriptedHttp, context, load, loaderConfig, recorder } from './load.mjs';
import { ask, failWith, hls, late, leave, make, nextPort, open, player, port, settle, started, starts, up, sdk } from './page.mjs';

const { ERRORS, MeshedFlowLoader } = sdk;

test('no core before the first segment; it is loaded when that is here, and gets its body', async () => {
  const mesh = make();
  await settle();
  assert.deepEqual([starts.length, mesh.stats().state], [0, 'waiting']);
  const init = ask(mesh, context({}, { sn: 'initSegment', relurl: 'init.mp4' }));
  init.http.answer(700);
  const first = ask(mesh);
  await settle();
  assert.equal(starts.length, 0, 'never while the first segment is on its way');
  first.http.answer(1000);
  mock.timers.tick(199);
  ask(mesh).http.answer(1000);
  await settle();
  assert.equal(starts.length, 0, 'nor while its first frame may be');
  mock.timers.tick(1);
  await settle();
  assert.deepEqual([starts.length, mesh.stats().state], [1, 'on'], 'later segments do not put it off');
  assert.deepEqual(port.offered.map((o) => [o.request.kind, o.bytes.length]), [['init', 700], ['media', 1000], ['media', 1000]]);
  assert.deepEqual(port.reports, [{ type: 'hidden', hidden: false }]);
  const { http } = ask(mesh);
  assert.equal(http.context, null, 'from now on the core loads');
  assert.equal(port.loads.length, 1);
});

test('a first segment that takes long does not hold the core up for ever', async () => {
  const mesh = make();
  ask(mesh);
  mock.timers.tick(4999);
  await settle();
  assert.equal(starts.length, 0);
  mock.timers.tick(1);
  await settle();
  assert.equal(mesh.stats().state, 'on');
});

test('without a core: plain HTTP for ever, one console line', async () => {
  failWith(new Error('no wasm here'));
  const warn = mock.method(console, 'warn', () => {});
  const mesh = make();
  const events = [];
  mesh.on('sharing', (e) => events.push(e));
  mesh.on('error', (e) => events.push(e));
  for (let i = 0; i < 3; i++) {
    ask(mesh).http.answer(1000);
    await started();
  }
  assert.equal(starts.length, 1);
  assert.deepEqual(warn.mock.calls.map((c) => c.arguments[0]), ['MeshedFlow: plain HTTP from here on: no wasm here [no-core]']);
  assert.deepEqual(events, [{ on: false, reason: 'no-core' }, { code: 'no-core', message: 'plain HTTP from here on: no wasm here', fatal: false, ends: 'mesh' }]);
  assert.deepEqual(mesh.stats(), { state: 'off', reason: 'no-core', loads: { plain: 3, mesh: 0, takeover: 0 }, bytes: { peers: 0, http: 3000 }, mesh: null });
});

test('a core that does not come up is given up after a minute, and closed if it comes then', async () => {
  mock.method(console, 'warn', () => {});
  const wait = [];
  const mesh = new MeshedFlowLoader({ streamId: 'slow' }, async () => ({ ...(await late()), start: () => new Promise((done) => wait.push(done)) }));
  open.push(mesh);
  ask(mesh).http.answer(1000);
  await started();
  assert.equal(wait.length, 1);
  mock.timers.tick(30_000);
  ask(mesh).http.answer(1000);
  assert.equal(mesh.stats().state, 'starting');
  mock.timers.tick(30_000);
  assert.deepEqual([mesh.stats().state, mesh.stats().reason], ['off', 'no-core']);
  ask(mesh).http.answer(1000);
  wait[0](port);
  await settle();
  assert.deepEqual([port.closed, mesh.stats().loads.plain], [1, 3]);
});

test('without WebRTC: plain HTTP, and the reason says so', async () => {
  failWith(Object.assign(new Error('this browser has no WebRTC'), { name: 'no-webrtc' }));
  const warn = mock.method(console, 'warn', () => {});
  const mesh = make();
  ask(mesh).http.answer(1000);
  await started();
  assert.deepEqual(warn.mock.calls.map((c) => c.arguments[0]), ['MeshedFlow: plain HTTP from here on: this browser has no WebRTC [no-webrtc]']);
  assert.deepEqual([mesh.stats().state, mesh.stats().reason], ['off', 'no-webrtc']);
});

test('no error is fatal while playback goes on: those that end the mesh say so in a word of their own', async () => {
  mock.method(console, 'warn', () => {});
  const heard = {};
  const goesOn = (mesh) => {
    const { http, names } = ask(mesh);
    http.answer(10);
    assert.deepEqual(names(), ['success']);
  };
  const listen = (mesh) => mesh.on('error', (e) => (heard[e.code] = [e.fatal, e.ends]));
  for (const name of ['no-webrtc', 'Error']) {
    failWith(Object.assign(new Error('not here'), { name }));
    const mesh = make({ streamId: `fails-${name}` });
    listen(mesh);
    ask(mesh).http.answer(10);
    await started();
    goesOn(mesh);
  }
  failWith(null);
  const told = Object.keys(ERRORS).filter((code) => ERRORS[code][0] === 'told');
  for (const code of told.filter((each) => !heard[each])) {
    nextPort();
    const mesh = await up({ streamId: `told-${code}` });
    listen(mesh);
    if (code === 'core-dead') port.listener('dead', { text: 'trapped' });
    else if (code === 'core-silent') {
      const clock = mock.method(performance, 'now');
      for (let i = 1; i <= 3; i++) {
        clock.mock.mockImplementation(() => i * 1e9);
        ask(mesh);
        port.loads.at(-1).sink.dead('overdue');
      }
      clock.mock.restore();
    } else port.listener('warn', { code, text: 'something' });
    assert.deepEqual(mesh.stats().state, ERRORS[code][3] ? 'off' : 'on', code);
    if (ERRORS[code][3]) goesOn(mesh);
  }
  assert.deepEqual(heard, Object.fromEntries(told.map((code) => [code, [false, ERRORS[code][3]]])));
});

test('a core that dies leaves the page on plain HTTP', async () => {
  const mesh = await up();
  const errors = [];
  mesh.on('error', (e) => errors.push(e));
  const warn = mock.method(console, 'warn', () => {});
  port.alive = false;
  port.listener('dead', { text: 'trapped' });
  assert.deepEqual(errors, [{ code: 'core-dead', message: 'trapped', fatal: false, ends: 'mesh' }]);
  assert.equal(warn.mock.callCount(), 0, 'the host has said it');
  assert.deepEqual(mesh.stats().mesh, { peers: 3, sharing: 'core-dead' }, 'the last counters known, and why nothing is shared');
  const { http, names } = ask(mesh);
  http.answer(10);
  assert.deepEqual(names(), ['success']);
  assert.deepEqual([mesh.stats().state, mesh.stats().reason, leave], ['off', 'core-dead', null]);
});

test('counters and events tell what the player received', async () => {
  const mesh = await up();
  const segments = [];
  const stop = mesh.on('segment', (e) => segments.push(e));
  ask(mesh);
  port.loads[0].sink.loaded(new ArrayBuffer(1000), { fromPeers: 800, fromHttp: 200, reportBps: 1e6, reportTtfbMs: 5, reason: 'peer' });
  assert.deepEqual(mesh.stats().bytes, { peers: 800, http: 1200 });
  assert.deepEqual(mesh.stats().loads, { plain: 1, mesh: 1, takeover: 0 });
  assert.deepEqual(mesh.stats().mesh, { peers: 3 });
  const { ms, ...rest } = segments[0];
  assert.ok(ms >= 0);
  assert.deepEqual(rest, { type: 'main', sn: 7, url: context().url, bytes: 1000, fromPeers: 800, fromHttp: 200, way: 'mesh', reason: 'peer' });
  stop();
  ask(mesh);
  assert.equal(segments.length, 1);
});

test('debug: one readable line for each segment', async () => {
  const log = mock.method(console, 'log', () => {});
  const mesh = await up({ debug: true, streamId: 'debug' });
  ask(mesh);
  port.loads[0].sink.loaded(new ArrayBuffer(10_000), { fromPeers: 7500, fromHttp: 2500, reportBps: 1e6, reportTtfbMs: 5, reason: 'peer' });
  const lines = log.mock.calls.map((c) => c.arguments[0].replace(/\d+ ms/, 'N ms'));
  assert.deepEqual(lines, ['[meshedflow] main 7: 1 kB in N ms, 0 % from peers (plain: core-waiting)', '[meshedflow] main 7: 10 kB in N ms, 75 % from peers (mesh: peer)']);
});

test('a listener that throws does not touch the load', async () => {
  const mesh = await up();
  mesh.on('segment', () => { throw new Error("the page's"); });
  const { names } = ask(mesh);
  port.loads[0].sink.loaded(new ArrayBuffer(10), { fromPeers: 10, fromHttp: 0, reportBps: 1e6, reportTtfbMs: 5, reason: 'peer' });
  assert.deepEqual(names(), ['success']);
  assert.throws(() => mock.timers.tick(1), /the page's/, 'in a task of its own');
});

test('statistics come every two seconds while somebody listens; no timer if nobody does, none after destroy', async () => {
  const mesh = await up();
  mock.timers.tick(10_000);
  const heard = [];
  const listener = (e) => heard.push(e.state);
  mesh.on('stats', listener);
  mock.timers.tick(1999);
  assert.deepEqual(heard, []);
  mock.timers.tick(2001);
  assert.deepEqual(heard, ['on', 'on']);
  mesh.off('stats', listener);
  mock.timers.tick(10_000);
  assert.equal(heard.length, 2);
  const stop = mesh.on('stats', listener);
  stop();
  mesh.on('stats', listener);
  mesh.destroy();
  mesh.on('stats', listener);
  mock.timers.tick(10_000);
  assert.equal(heard.length, 2, 'after destroy');
});

test('off stops one listener of one event, destroy those of that loader; a misspelt event is named', async () => {
  const mesh = await up();
  const again = make();
  const heard = [];
  const listener = (e) => heard.push(e.sn);
  mesh.on('segment', listener);
  again.on('segment', (e) => heard.push(`again ${e.sn}`));
  mesh.off('fallback', listener);
  const load = () => {
    ask(mesh);
    port.loads.at(-1).sink.loaded(new ArrayBuffer(10), { fromPeers: 10, fromHttp: 0, reportBps: 1e6, reportTtfbMs: 5, reason: 'peer' });
  };
  load();
  assert.deepEqual(heard.splice(0), [7, 'again 7']);
  again.destroy();
  load();
  assert.deepEqual(heard.splice(0), [7]);
  mesh.off('segment', listener);
  load();
  assert.deepEqual(heard, []);
  for (const call of ['on', 'off']) assert.throws(() => mesh[call]('warn', listener), (e) => e.code === 'event-unknown' && /no event warn; expected one of peer, segment/.test(e.message));
});

test('a fallback names its segment and the reason, whoever decided it', async () => {
  const mesh = await up();
  const heard = [];
  mesh.on('fallback', (e) => heard.push(e));
  ask(mesh, context({ part: { index: 2, relurl: 'p', baseurl: context().frag.baseurl } }));
  const { url } = context();
  port.loads[0].sink.fellBack('no-holder');
  port.loads[0].sink.dead('core-dead');
  assert.deepEqual(heard, [{ type: 'main', sn: 7, part: 2, url, reason: 'no-holder' }, { type: 'main', sn: 7, part: 2, url, reason: 'core-dead' }]);
});

test("the core's events reach the page, warnings the console; its view of segments does not", async () => {
  const warn = mock.method(console, 'warn', () => {});
  const mesh = await up();
  const heard = [];
  for (const name of ['peer', 'fallback', 'sharing', 'error', 'segment']) mesh.on(name, (e) => heard.push([name, e]));
  port.listener('peer', { peer: 'p', up: true, count: 1 });
  port.listener('segment', { lane: 0, msn: 1 });
  port.listener('warn', { code: 'no-keys', text: 'no key for this stream' });
  assert.deepEqual(heard, [['peer', { peer: 'p', up: true, count: 1 }], ['error', { code: 'no-keys', message: 'no key for this stream', fatal: false }]]);
  assert.equal(warn.mock.calls[0].arguments[0], 'MeshedFlow: no key for this stream [no-keys]');
});

test('consent: nothing before yes, a refusal keeps it so, a withdrawal reaches the core', async () => {
  const required = make({ consent: 'required', streamId: 'a' });
  ask(required).http.answer(10);
  mock.timers.tick(5000);
  await settle();
  assert.equal(starts.length, 0);
  required.consent(true);
  ask(required).http.answer(10);
  await started();
  assert.equal(starts.length, 1);
  const heard = [];
  required.on('sharing', (e) => heard.push(e));
  required.revoke();
  assert.deepEqual([port.closed, required.stats().state, required.stats().reason], [1, 'waiting', 'no-consent'], 'closed at once');
  assert.deepEqual(heard, [{ on: false, reason: 'no-consent' }]);
  ask(required).http.answer(10);
  mock.timers.tick(5000);
  await settle();
  assert.equal(starts.length, 1);
  nextPort();
  required.consent(true);
  ask(required).http.answer(10);
  await started();
  assert.deepEqual([starts.length, required.stats().state], [2, 'on'], 'and begun anew');

  const withdrawn = make({ streamId: 'b' });
  ask(withdrawn).http.answer(10);
  mock.timers.tick(200);
  withdrawn.consent(false);
  nextPort();
  await settle();
  assert.deepEqual([port.closed, withdrawn.stats().state], [1, 'waiting'], 'withdrawn while the core was starting');

  for (const [answer, count] of [[async () => true, 1], [() => true, 1], [() => false, 0], [async () => { throw new Error('closed'); }, 0], [() => 'yes', 0]]) {
    starts.length = 0;
    const mesh = make({ consent: answer, streamId: `f${Math.random()}` });
    ask(mesh).http.answer(10);
    await settle();
    mock.timers.tick(2000);
    await settle();
    assert.equal(starts.length, count, String(answer));
  }
});

test('one core for one stream on a page, also across copies of the SDK', async () => {
  const mesh = await up();
  const again = make();
  const other = (await load('api')).MeshedFlowLoader;
  const foreign = new other({ streamId: 'demo' }, () => Promise.reject(new Error('a second core')));
  open.push(foreign);
  for (const second of [again, foreign]) {
    ask(second);
    assert.equal(second.stats().state, 'on');
  }
  assert.equal(port.loads.length, 2);
  assert.equal(starts.length, 1);
  make({ streamId: 'another' });
  assert.equal(make({ streamId: 'another' }).stats().loads.plain, 0);
  mesh.destroy();
  assert.equal(port.closed, 0, 'others still use it');
  again.destroy();
  again.destroy();
  assert.equal(port.closed, 0, 'destroying twice counts once');
  foreign.destroy();
  assert.equal(port.closed, 1);
  assert.deepEqual(Object.getOwnPropertySymbols(globalThis).filter((s) => s.description.startsWith('meshedflow:1:demo')), []);
});

test('players whose options differ share no core, also across copies of the SDK', async () => {
  const other = (await load('api')).MeshedFlowLoader;
  const of = (Class, options) => {
    const mesh = new Class({ streamId: 'mixed', ...options }, late);
    open.push(mesh);
    return mesh;
  };
  const limits = [{}, { upload: { rateBytesPerS: 0 } }, { peers: { max: 0 } }, { memoryBytes: 0 }, { cmafMode: 'off' }, { relayOnly: true }, { token: 'a' }, { token: 'b' }, { allowInsecure: true }, { trustedKeyOrigins: ['https://a.example'] }, { iceServerHosts: ['a.example'] }];
  for (const options of limits) {
    nextPort();
    for (const Class of [MeshedFlowLoader, other]) ask(of(Class, options)).http?.answer(1000);
    await started();
  }
  assert.equal(starts.length, limits.length, 'one core for each, whichever copy asks first');
  assert.deepEqual(starts.map(({ streamId: _, ...rest }) => rest), limits, 'each with its own options');
});

test("a player's consent function is asked for its own mesh", async () => {
  const asked = [];
  const no = make({ streamId: 'asks', consent: () => asked.push('no') && false });
  const yes = make({ streamId: 'asks', consent: () => asked.push('yes') && true });
  for (const mesh of [yes, no]) ask(mesh).http.answer(1000);
  await settle();
  await started();
  assert.deepEqual([asked, starts.length, yes.stats().state, no.stats().reason], [['yes', 'no'], 1, 'on', 'no-consent']);
});

test('after destroy a player goes on over plain HTTP', async () => {
  const mesh = await up();
  mesh.destroy();
  const { http, names } = ask(mesh);
  http.answer(10);
  assert.deepEqual(names(), ['success']);
  assert.deepEqual([mesh.stats().state, mesh.stats().reason], ['off', 'destroyed']);
});

test('a core that comes up after its page was destroyed is closed', async () => {
  const mesh = make();
  ask(mesh).http.answer(10);
  mock.timers.tick(200);
  mesh.destroy();
  await settle();
  assert.equal(port.closed, 1);
});

test('with an attached player the core waits for the first frame, but not for ever', async () => {
  for (const frame of [true, false]) {
    starts.length = 0;
    const mesh = make({ streamId: `frame-${frame}` });
    const player = hls();
    const media = Object.assign(new EventTarget(), { buffered: { length: 0 } });
    mesh.attach(player);
    player.media = media;
    const session = mesh.session(player.config);
    session.load(context(), loaderConfig(), recorder(session).callbacks);
    ScriptedHttp.made.at(-1).answer(100);
    await started(899);
    assert.equal(starts.length, 0);
    if (frame) media.dispatchEvent(new Event('loadeddata'));
    await started(frame ? 100 : 101);
    assert.equal(starts.length, 1, `first frame: ${frame}`);
  }
});

test('leaving the page closes the core; coming back starts another', async () => {
  const mesh = await up();
  leave();
  assert.deepEqual([port.closed, mesh.stats().state], [1, 'waiting']);
  nextPort();
  ask(mesh).http.answer(10);
  await started();
  assert.deepEqual([starts.length, mesh.stats().state], [2, 'on']);
});

test('two idle minutes without an attached player close the core', async () => {
  const mesh = await up();
  mock.timers.tick(119_000);
  ask(mesh).session.destroy();
  mock.timers.tick(119_000);
  assert.equal(port.closed, 0);
  mock.timers.tick(1_000);
  assert.equal(port.closed, 1);
});

// ---- attached players
