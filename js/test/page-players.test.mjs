// Players of a page, attached or by the short forms: what the core is told of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScriptedHttp, context, loaderConfig, recorder } from './load.mjs';
import { ask, hls, leave, make, nextPort, open, player, port, settle, started, up, sdk } from './page.mjs';

const { SharedLoader, attach, fragmentLoader, hlsConfig } = sdk;

const DETAILS = {
  url: 'https://cdn.example/live/demo/v360/index.m3u8?token=1', live: true, targetduration: 4,
  fragments: [null, { sn: 6, relurl: 'seg_6.m4s?token=1', duration: 4 }, { sn: 7, relurl: '../x/seg_7.m4s', duration: 3.5 }],
};

/** A playlist whose segments are byte ranges of one file. */
function windowOf(first, count) {
  const fragments = Array.from({ length: count }, (_, i) => ({ sn: first + i, relurl: 'all.m4s?token=1', duration: 4, byteRange: [i * 100, i * 100 + 100] }));
  return { ...DETAILS, fragments };
}

/** The segments that the core was told since the last call, playlist by playlist. */
const toldOf = (from) => from.reports.splice(0).filter((r) => r.type === 'playlist').map((r) => r.segments.map((s) => s.msn));
const run = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

test('of a window of hours only the end and the player\'s place are told, and what is not told is not even read', async () => {
  const mesh = make();
  const one = hls();
  mesh.attach(one);
  one.emit('hlsManifestLoaded', { url: 'https://cdn.example/live/demo/master.m3u8' });
  ask(mesh).http.answer(10);
  await started(1000);
  port.reports.length = 0;
  const details = windowOf(1_000, 3_600);
  let read = 0;
  for (const frag of details.fragments) {
    const { relurl } = frag;
    Object.defineProperty(frag, 'relurl', { get: () => (read++, relurl) });
  }
  one.levels = [{ details }];
  one.emit('hlsLevelUpdated', { details });
  assert.deepEqual(toldOf(port), [run(4_591, 4_599)], 'nothing was asked for yet');
  one.emit('hlsFragLoading', { frag: { sn: 4_597, type: 'main', level: 0 } });
  one.emit('hlsLevelUpdated', { details });
  assert.deepEqual(toldOf(port), [run(4_591, 4_599), run(4_591, 4_599)], 'at the end it is one place');
  // Far back.
  one.emit('hlsFragLoading', { frag: { sn: 2_000, type: 'main', level: 0 } });
  const back = [...run(1_999, 2_016), ...run(4_591, 4_599)];
  assert.deepEqual(toldOf(port), [back], 'at once');
  for (const sn of run(2_001, 2_012)) one.emit('hlsFragLoading', { frag: { sn, type: 'main', level: 0 } });
  assert.deepEqual(toldOf(port), [], 'known already');
  one.emit('hlsFragLoading', { frag: { sn: 2_013, type: 'main', level: 0 } });
  assert.deepEqual(toldOf(port)[0].slice(0, 18), run(2_012, 2_029), 'before it runs out');
  assert.ok(read < 400, `${read} looks at URLs of 3,600`);
  one.emit('hlsLevelUpdated', { details });
  const [{ segments }] = port.reports.splice(0);
  assert.ok(segments.length <= 27 && JSON.stringify(segments).length < 5_000, 'what crosses for each refresh');
  const { msn, range } = segments[0];
  assert.deepEqual([msn, range], [2_012, [101_200, 101_300]], 'with its range');
});

test('a playlist that is never refreshed is told along the way', async () => {
  const mesh = make();
  const one = hls();
  mesh.attach(one);
  one.emit('hlsManifestLoaded', { url: 'https://cdn.example/live/demo/master.m3u8' });
  ask(mesh).http.answer(10);
  await started(1000);
  one.levels = [{ details: windowOf(0, 1_800) }];
  port.reports.length = 0;
  const known = new Set();
  for (let sn = 0; sn < 1_800; sn++) {
    one.emit('hlsFragLoading', { frag: { sn, type: 'main', level: 0 } });
    toldOf(port).flat().forEach((msn) => known.add(msn));
    assert.ok([sn, Math.min(sn + 4, 1_799)].every((msn) => known.has(msn)), `segments after ${sn}`);
  }
});

test('an attached player tells playlists, its level and whether it is live; the core learns it late too', async () => {
  const mesh = make();
  const one = hls();
  mesh.attach(one);
  one.emit('hlsManifestLoaded', { url: 'https://cdn.example/live/demo/master.m3u8?x=1' });
  Object.assign(one, { levels: [{}, { bitrate: 590_000, details: DETAILS }, { bitrate: 1_600_000 }], autoLevelEnabled: true, maxAutoLevel: 2 });
  one.audioTracks = [{ details: { ...DETAILS, url: 'https://cdn.example/live/demo/a64/index.m3u8', live: false } }];
  const session = mesh.session(one.config);
  session.load(context(), loaderConfig(), recorder(session).callbacks);
  ScriptedHttp.made.at(-1).answer(100);
  await started(1000);
  const playlists = port.reports.filter((r) => r.type === 'playlist');
  assert.deepEqual(playlists[0].segments, [
    { msn: 6, url: 'https://cdn.example/live/demo/v360/seg_6.m4s?token=1', durationMs: 4000 },
    { msn: 7, url: 'https://cdn.example/live/demo/x/seg_7.m4s', durationMs: 3500 },
  ]);
  assert.deepEqual([playlists.length, playlists[0].targetMs, playlists[0].lane !== playlists[1].lane], [2, 4000, true]);
  assert.equal(port.offered[0].request.live, true);
  assert.ok(port.offered[0].took.every((ms) => ms >= 0), 'how fast HTTP was');
  const rates = () => {
    const next = mesh.session(one.config);
    next.load(context(), loaderConfig(), recorder(next).callbacks);
    const { bitrateBps, nextBps } = port.loads.at(-1).request;
    return [bitrateBps, nextBps];
  };
  assert.deepEqual(rates(), [590_000, 1_600_000]);
  one.maxAutoLevel = 1;
  assert.deepEqual(rates(), [590_000, undefined], 'capped');
  Object.assign(one, { maxAutoLevel: 2, autoLevelEnabled: false });
  assert.deepEqual(rates(), [590_000, undefined], 'chosen by hand');
  const next = { ...DETAILS, fragments: [{ sn: 8, relurl: 'seg_8.m4s', duration: 4 }] };
  one.emit('hlsLevelUpdated', { details: next });
  assert.equal(port.reports.at(-1).segments[0].msn, 8);
  leave();
  nextPort();
  ask(mesh).http.answer(10);
  await started(1000);
  assert.equal(port.reports.filter((r) => r.type === 'playlist').length, 2, 'a core that comes later is told, too');
});

test('a rendition that is loaded on its own is named by originBaseUrl, in requests and in playlists alike', async () => {
  const mesh = make({ streamId: 'alone', originBaseUrl: 'https://cdn.example/live/demo/' });
  const one = hls();
  mesh.attach(one);
  const told = () => port.infos.splice(0).map(({ rendition, alone }) => [rendition, alone]);
  one.emit('hlsManifestLoaded', { url: 'https://cdn.example/live/demo/master.m3u8' });
  const load = () => {
    const session = mesh.session(one.config);
    session.load(context(), loaderConfig(), recorder(session).callbacks);
    return ScriptedHttp.made.at(-1);
  };
  load().answer(10);
  await started(1000);
  one.levels = [{ details: DETAILS }];
  one.emit('hlsLevelUpdated', { details: DETAILS });
  load();
  assert.deepEqual(told(), Array(3).fill(['v360/index.m3u8', undefined]), 'one of several');
  // What loadSource() of the rendition makes HLS.js say.
  one.emit('hlsManifestLoaded', { url: DETAILS.url });
  one.emit('hlsLevelUpdated', { details: DETAILS });
  load();
  assert.deepEqual(told(), Array(2).fill(['v360/index.m3u8', true]), 'alone');
});

test('buffer, seeks and stalls are reported; the end of the last player ends the core and all listening', async () => {
  const mesh = await up();
  const two = hls();
  const media = Object.assign(new EventTarget(), { currentTime: 10, paused: false, playbackRate: 1.5, buffered: { length: 2, start: (i) => [0, 9][i], end: (i) => [5, 22.5][i] } });
  mesh.attach(two);
  assert.equal(mesh.attach(two), mesh.attach(two), 'attaching twice is attaching once');
  two.emit('hlsMediaAttached', { media });
  media.dispatchEvent(new Event('seeking'));
  two.emit('hlsError', { details: 'bufferStalledError' });
  two.emit('hlsError', { details: 'fragLoadError' });
  assert.deepEqual(port.reports.slice(1), [{ type: 'buffer', aheadMs: 12_500, rate: 1.5 }, { type: 'stalled' }]);
  media.dispatchEvent(new Event('timeupdate'));
  assert.equal(port.reports.length, 3, 'no more than two a second while nothing happens');
  two.emit('hlsDestroying');
  assert.deepEqual([port.closed, two.count()], [1, 0]);
  media.dispatchEvent(new Event('seeking'));
  assert.equal(port.reports.length, 3);
});

test('the short forms give classes that share the core, and attach finds it, CMCD or not', async () => {
  const config = hlsConfig({ streamId: 'short' }, { debug: true });
  assert.equal(config.debug, true);
  const Class = fragmentLoader({ streamId: 'short' });
  open.push(config.fLoader.core, Class.core);
  assert.ok(Class.prototype instanceof SharedLoader && config.fLoader !== Class);
  const wrapped = hls({});
  wrapped.userConfig = config;
  wrapped.config = { fLoader: class Cmcd {} };
  attach(wrapped)();
  assert.throws(() => attach(hls({})), (e) => e.code === 'not-a-player');
  assert.throws(() => attach(null), (e) => e.code === 'not-a-player');
  assert.throws(() => Class.core.attach({}), (e) => e.code === 'not-a-player');
  assert.throws(() => new SharedLoader({}), (e) => e.code === 'core-missing');
  const loader = new Class(player);
  assert.deepEqual([loader.stats.loaded, loader.context], [0, null]);
  loader.abort();
  loader.destroy();
});

test("the snippet's class: statistics are put where HLS.js 1.5 and 1.6 look for them", () => {
  const mesh = make();
  const whole = context();
  const asFLoader = { ...player, fLoader: SharedLoader };
  const request = mesh.load(whole, loaderConfig(), { onSuccess() {}, onError() {}, onTimeout() {} }, asFLoader);
  assert.equal(whole.frag.stats, request.stats);
  const part = context({ part: { index: 0, relurl: 'p', baseurl: context().frag.baseurl } });
  const second = mesh.load(part, loaderConfig(), { onSuccess() {}, onError() {}, onTimeout() {} }, asFLoader);
  assert.equal(part.part.stats, second.stats);
  assert.equal(part.frag.stats, undefined);
  request.abort();
  second.abort();
});

test("the snippet's class: with one player attached, its setup applies; the caller's own class is not called again", () => {
  const mesh = make();
  const asked = [];
  class Snippet {
    load(ctx, config, callbacks) { mesh.load(ctx, config, callbacks); }
  }
  const config = { loader: Snippet, xhrSetup: (_xhr, url) => asked.push(url) };
  mesh.attach({ ...hls(), config });
  globalThis.XMLHttpRequest ??= class { open() {} send() {} abort() {} setRequestHeader() {} };
  const request = mesh.load(context(), loaderConfig(), { onSuccess() {}, onError() {}, onTimeout() {} });
  return settle().then(() => {
    assert.deepEqual(asked, [context().url]);
    request.abort();
    mesh.attach({ ...hls(), config: { loader: Snippet } });
    mesh.load(context(), loaderConfig(), { onSuccess() {}, onError() {}, onTimeout() {} }).abort();
    assert.equal(asked.length, 1, 'of two players nobody knows which one asks');
  });
});

test('our own class as loader is not asked to load for itself', () => {
  globalThis.XMLHttpRequest ??= class { open() {} send() {} abort() {} setRequestHeader() {} };
  const mesh = make();
  const loader = new mesh.fragmentLoader({ loader: mesh.fragmentLoader });
  loader.load(context(), loaderConfig(), { onSuccess() {}, onError() {}, onTimeout() {} });
  loader.destroy();
});

test("a page's own class is not asked to load for itself, though CMCD made an fLoader of it", () => {
  globalThis.XMLHttpRequest ??= class { open() {} send() {} abort() {} setRequestHeader() {} };
  const mesh = make();
  let calls = 0;
  class Own {
    load(ctx, config, callbacks) {
      if (++calls < 5) mesh.load(ctx, config, callbacks, player);
    }
  }
  const player = { loader: Own, fLoader: class Cmcd extends Own {}, cmcd: {} };
  mesh.load(context(), loaderConfig(), { onSuccess() {}, onError() {}, onTimeout() {} }, player).abort();
  assert.equal(calls, 0);
});
