// Life and death of the core: it may be late, forbidden, altered, trapped, silent, withdrawn or destroyed at any moment.
// The viewer watches on as with plain HLS.js, what was open is closed, and the page is told once, and why.

import assert from 'node:assert/strict';
import { bytesEqualOrigin, keepsUpWith, noWorseThan, quiet } from '../lib/checks.mjs';
import { countsHandles, nothingOpen, openHandles } from '../lib/handles.mjs';
import { mutantSdk } from '../lib/job.mjs';
import { adds, keepsPlayingWhenLeft, namesIceServers, neverCompiles, states, watchesDoors, withoutFinalizers } from '../lib/lives.mjs';
import { pause } from '../lib/viewers.mjs';

export const cases = [
  life('core-cannot-start', cannotStart),
  life('core-forbidden', forbidden),
  life('core-trapped', trapped),
  life('core-silent-or-endless', silentOrEndless),
  life('consent-asked', consentAsked),
  life('consent-withdrawn', consentWithdrawn),
  life('doors-closed', doorsClosed),
  life('page-lives', pageLives),
];

function life(name, run) {
  return { name, alone: true, limitMs: 45_000, run };
}

// ---- a core that does not come up

async function cannotStart(job) {
  job.proxy.shape('module', /\.wasm$/, ({ viewer }) => ({ absent: { status: 404 }, slow: { delayMs: 30_000 } })[viewer] ?? null);
  await job.plain('plain', {}, { faults: [countsHandles] });
  const open = (name, ...faults) => job.mesh(name, {}, { faults: [countsHandles, ...faults] });
  const [absent, slow, never, page, altered] = [await open('absent'), await open('slow'), await open('never', neverCompiles), await open('page'), await open('altered')];
  await page.page.route(/\.wasm$/, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>the start page' }));
  await altered.page.route(/\.wasm$/, async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    body[body.length - 9] ^= 1;
    await route.fulfill({ response, body });
  });
  await toldOnce(absent, 'no-core', /could not be fetched, or is not the module/);
  await toldOnce(page, 'no-core', /could not be fetched, or is not the module/);
  await toldOnce(altered, 'no-core', /is not the module that this SDK was built with/);
  for (const viewer of [slow, never]) await viewer.until('a core on its way', (r) => r.sdk?.state === 'starting', 10_000);
  await pause(3000);
  for (const viewer of [slow, never]) assert.equal((await viewer.report()).sdk.state, 'starting');
  await watchedOn(job);
  await nothingOpen(job.viewers.all);
  return 'absent, slow, never, a page instead, altered: plain playback, one line each';
}

async function forbidden(job) {
  const { url } = job.proxy;
  const scripts = ['sdk/index.js', 'vendor/', 'viewer.js', 'fragments.js', 'hunger.js', 'meter.js', 'players.js', 'words.js'].map((path) => `${url}/${path}`).join(' ');
  await job.plain('plain');
  const wasm = await job.mesh('no-wasm', {}, { faults: [[states, "script-src 'self'; worker-src blob:"]] });
  const late = await job.mesh('no-late', {}, { faults: [[states, `script-src ${scripts}; worker-src blob:`]] });
  const old = await job.mesh('no-finalizers', {}, { faults: [withoutFinalizers] });
  await toldOnce(wasm, 'no-core', /wasm-unsafe-eval/);
  await toldOnce(late, 'no-core', /late\.js/);
  await old.until('loads by the mesh', (r) => r.sdk?.loads.mesh > 0, 12_000);
  await pause(3000);
  await watchedOn(job);
  await old.page.evaluate(() => { window.__kept = viewer.mesh.page.mesh.port; viewer.leave(); });
  assert.equal(await old.page.evaluate(() => window.__kept.alive), false, 'destroyed without finalizers');
  return 'wasm forbidden, late script forbidden; no finalizers needed';
}

// ---- a core that breaks

/** `window.viewer`'s core, and a hook of the test build in it. */
function hook(viewer, name, enter) {
  return viewer.page.evaluate(([hook, enter]) => {
    const { host } = viewer.mesh.page.mesh.port;
    host.enter((core) => core.testHook(hook), true);
    if (enter) host.soon();
  }, [name, enter]);
}

async function broken(job, hooks) {
  job.proxy.answer('sdk', /^\/sdk\//, mutantSdk);
  await job.plain('plain', {}, { faults: [countsHandles] });
  await job.mesh('neighbour', {}, { faults: [countsHandles] });
  const viewers = [];
  for (const name of Object.keys(hooks)) viewers.push(await job.mesh(name, {}, { faults: [countsHandles] }));
  for (const viewer of viewers) await viewer.until('neighbours', (r) => r.sdk?.mesh?.peers > 0, 15_000);
  for (const viewer of viewers) await hook(viewer, viewer.name, hooks[viewer.name].enter);
  for (const viewer of viewers) {
    const { code, text } = hooks[viewer.name];
    await toldOnce(viewer, code, text, 20_000);
    await everythingClosed(viewer);
    const { sdk } = await viewer.report();
    assert.ok(sdk.mesh?.segments > 0, `${viewer.name}: the last counters are still told`);
  }
  await pause(4000);
  await watchedOn(job);
  await nothingOpen(job.viewers.all);
}

const FAILED = { code: 'core-dead', text: /the mesh failed, plain HTTP from here on/ };

async function trapped(job) {
  await broken(job, {
    'panic-in-load': { ...FAILED, text: /a test asked for this panic/ },
    'panic-in-message': { ...FAILED, text: /a test asked for this panic/ },
    'panic-in-timer': { ...FAILED, text: /a test asked for this panic/ },
    grow: FAILED,
  });
  return 'trapped in a call, in a message, in a timer; out of memory';
}

async function silentOrEndless(job) {
  await broken(job, {
    spin: { ...FAILED, text: /does not come to an end/, enter: true },
    mute: { code: 'core-silent', text: /does not answer/ },
  });
  return 'a core that never ends is cut off, one that never answers is closed after three loads';
}

// ---- consent and privacy

const unasked = async (viewer) => {
  const made = await viewer.page.evaluate(() => window.__made);
  assert.deepEqual([made.sockets, made.connections], [[], []], `${viewer.name} went to edge or peers`);
};

const ofTheMesh = (viewer) => viewer.requests.filter(({ url }) => /\/late\.js$|\.wasm$|\.mfi|keys\.json|policy\.json/.test(url)).map(({ url }) => url);

async function consentAsked(job) {
  await job.plain('plain');
  await job.mesh('neighbour');
  const viewers = [];
  for (const consent of ['required', 'never', 'rejects', 'throws', 'no']) {
    viewers.push(await job.mesh(consent, {}, { faults: [watchesDoors, [adds, { consent }]] }));
  }
  for (const viewer of viewers) await viewer.playing();
  await pause(4000);
  for (const viewer of viewers) {
    await unasked(viewer);
    assert.deepEqual(ofTheMesh(viewer), [], `${viewer.name}: nothing of the mesh is loaded`);
    const { sdk } = await viewer.report();
    assert.deepEqual([sdk.state, sdk.reason], ['waiting', 'no-consent'], viewer.name);
  }
  const [required] = viewers;
  await required.page.evaluate(() => viewer.mesh.consent(true));
  await required.until('a neighbour', (r) => r.sdk?.mesh?.peers > 0, 12_000);
  for (const viewer of viewers.slice(1)) await unasked(viewer);
  await watchedOn(job);
  return 'required, never answered, rejected, thrown, no: no socket, no connection, no module; then yes';
}

async function consentWithdrawn(job) {
  await job.plain('plain', {}, { faults: [countsHandles] });
  await job.mesh('neighbour');
  await pause(2000);
  const leaver = await job.mesh('leaver', {}, { faults: [countsHandles] });
  await leaver.until('a neighbour', (r) => r.sdk?.mesh?.peers > 0, 15_000);
  await leaver.page.evaluate(() => {
    window.shared = [];
    viewer.mesh.on('sharing', (e) => shared.push(`${e.on} ${e.reason}`));
    viewer.mesh.revoke();
  });
  await everythingClosed(leaver, 1000);
  const before = await leaver.report();
  assert.deepEqual(await leaver.page.evaluate(() => window.shared), ['false no-consent']);
  await pause(6000);
  const after = await leaver.report();
  assert.equal(after.fromPeers, before.fromPeers, 'bytes of peers after consent was withdrawn');
  assert.ok(after.sdk?.loads.plain > before.sdk.loads.plain, 'it watches on over HTTP');
  await everythingClosed(leaver, 0);
  await leaver.page.evaluate(() => {
    window.met = [];
    viewer.mesh.on('peer', (e) => met.push(e));
    viewer.mesh.consent(true);
  });
  await leaver.until('a neighbour again', (r) => r.sdk?.mesh?.peers > 0, 15_000);
  const [first] = await leaver.page.evaluate(() => window.met);
  assert.deepEqual([first.up, first.count], [true, 1]);
  assert.ok(first.transport, `how it is reached: ${JSON.stringify(first)}`);
  const { local, remote, protocol, rttMs } = first.transport;
  const kinds = ['host', 'srflx', 'prflx'];
  assert.ok(kinds.includes(local) && kinds.includes(remote) && protocol === 'udp' && rttMs >= 0, JSON.stringify(first));
  await watchedOn(job);
  return 'withdrawn: all closed within a second; given again: begun anew';
}

async function doorsClosed(job) {
  const { hostname } = new URL(job.proxy.url);
  const foreign = ['stun:elsewhere.example:3478', `stun:${hostname}.elsewhere.example:3478`].map((url) => ({ urls: [url] }));
  const own = Array.from({ length: 2 }, (_, i) => ({ urls: [`stun:${hostname}:${9 + i}`] }));
  job.proxy.shape('policy', /\/policy\.json$/, ({ viewer, nth }) => (viewer === 'no-policy' ? { stallAt: -1 } : viewer === 'late-policy' && nth === 1 ? { delayMs: 7000 } : null));
  await job.plain('plain');
  const open = (name, ...faults) => job.mesh(name, {}, { faults: [watchesDoors, ...faults] });
  const ice = await open('ice-servers', [namesIceServers, [foreign[0], ...own, foreign[1]]]);
  const relays = [await open('relay-1', [adds, { relayOnly: true }]), await open('relay-2', [adds, { relayOnly: true }])];
  const late = await open('late-policy');
  const none = await open('no-policy');
  // The SDK also looks, once, whether there is WebRTC at all: with an object that has no servers and gathers nothing.
  const made = async (viewer) => (await viewer.page.evaluate(() => window.__made.connections)).map(({ config }) => config);
  const dials = async (viewer) => (await made(viewer)).filter((config) => config.iceServers);
  for (const viewer of [ice, ...relays]) await viewer.until('a connection', async () => (await dials(viewer)).length > 0, 15_000);
  for (const viewer of relays) {
    for (const config of await made(viewer)) assert.equal(config.iceTransportPolicy, 'relay', viewer.name);
    assert.equal((await viewer.report()).peers, 0, 'without a TURN server there is no way to a relay-only viewer');
  }
  assert.equal(await ice.page.evaluate(() => window.__iceServers), 4, 'the edge named servers');
  for (const config of await dials(ice)) {
    const urls = config.iceServers.flatMap((server) => server.urls);
    assert.ok(urls.length === 2 && urls.every((url) => new RegExp(`^stun:${hostname}:\\d+$`).test(url)), `ICE servers ${urls}`);
  }
  await none.until('a request for the policy', () => job.proxy.hit('policy', 'no-policy') > 0, 12_000);
  await unasked(none);
  await late.until('a connection once the policy is read', async () => (await dials(late)).length > 0, 20_000);
  await unasked(none);
  await watchedOn(job);
  return 'relays only where asked for; no door before the policy; ICE servers of the edge: its own host alone';
}

// ---- pages

async function pageLives(job) {
  await job.plain('plain', {}, { faults: [countsHandles] });
  const twice = await job.mesh('two-copies', {}, { faults: [countsHandles] });
  const back = await job.mesh('comes-back', {}, { faults: [countsHandles, keepsPlayingWhenLeft] });
  const calls = await job.mesh('calls-back', {}, { faults: [countsHandles] });
  const open = await job.mesh('open-loads', {}, { faults: [countsHandles] });
  for (const viewer of [twice, back, calls, open]) await viewer.until('a core', (r) => r.sdk?.state === 'on', 12_000);
  const [starting] = await Promise.all([destroyedWhileStarting(job), twoCopies(twice), callsBack(calls), pageComesBack(back), destroyedWithOpenLoads(open)]);
  const playing = job.viewers.all.filter((viewer) => viewer !== starting);
  for (const viewer of playing) {
    const { failed, state, playedSeconds } = await viewer.report();
    assert.equal(failed, null, viewer.name);
    await viewer.until(`playback to go on (${state})`, (r) => r.playedSeconds > playedSeconds + 0.5, 5000);
  }
  await bytesEqualOrigin(job.witness, playing);
  await quiet(playing);
  await nothingOpen(playing);
  return 'two copies, left and restored, called back from events, destroyed while starting and while loading';
}

/** Another copy of the SDK shares the core of the first if it is given the same options; one that speaks another language leaves it alone. */
async function twoCopies(viewer) {
  const seen = await viewer.page.evaluate(async () => {
    const [other, third] = [await import('/sdk/index.js?copy'), await import('/sdk/index.js?third')];
    const { options } = viewer;
    const shares = (more) => {
      const mesh = other.createMeshedFlow({ ...options, ...more });
      const same = mesh.page === viewer.mesh.page;
      mesh.destroy();
      return same;
    };
    const same = shares({});
    const differing = [{ upload: { rateBytesPerS: 0 } }, { peers: { max: 0 } }, { relayOnly: true }, { token: 'another' }, { consent: () => false }].filter(shares);
    const [key] = Object.getOwnPropertySymbols(globalThis).filter((symbol) => symbol.description.startsWith('meshedflow:'));
    const foreign = Symbol.for(key.description.replace('demo', 'else'));
    globalThis[foreign] = { abi: 2, load() { throw new Error('not understood'); } };
    const apart = third.createMeshedFlow({ ...options, streamId: 'else' });
    const state = apart.stats().state;
    apart.destroy();
    const kept = globalThis[foreign].abi;
    delete globalThis[foreign];
    return { same, differing: differing.length, copies: other !== third && other.MeshedFlowLoader !== third.MeshedFlowLoader, on: viewer.mesh.stats().state, state, kept };
  });
  assert.deepEqual(seen, { same: true, differing: 0, copies: true, on: 'on', state: 'waiting', kept: 2 });
}

/** A listener of the page may do there what it likes, to the core that called it, too. */
async function callsBack(viewer) {
  await viewer.page.evaluate(() => {
    window.__called = 0;
    const { mesh } = window.viewer;
    const any = () => { window.__called += 1; mesh.stats(); mesh.on('peer', () => {})(); mesh.page.mesh?.port.player({ type: 'stalled' }); };
    for (const event of ['segment', 'fallback', 'peer', 'sharing', 'stats']) mesh.on(event, any);
    // From inside a call into the core: what it asks of its host is asked there.
    const { host } = mesh.page.mesh.port;
    const due = host.due.bind(host);
    host.due = (...args) => { any(); due(...args); };
  });
  await viewer.until('calls from events', async () => (await viewer.page.evaluate(() => window.__called)) > 5, 12_000);
  const { sdk } = await viewer.report();
  assert.equal(sdk.state, 'on', 'the core died of it');
}

/** Left, and restored from the back-forward cache: a core that starts anew. */
async function pageComesBack(viewer) {
  const first = await viewer.page.evaluate(() => {
    window.__first = viewer.mesh.page.mesh.port;
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
    return { alive: window.__first.alive, state: viewer.mesh.stats().state };
  });
  assert.deepEqual(first, { alive: false, state: 'waiting' });
  await everythingClosed(viewer, 500);
  await viewer.page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
  await viewer.until('another core', (r) => r.sdk?.state === 'on', 15_000);
  assert.equal(await viewer.page.evaluate(() => viewer.mesh.page.mesh.port !== window.__first), true);
}

async function destroyedWithOpenLoads(viewer) {
  await viewer.page.evaluate(() => new Promise((done) => {
    const { hls, mesh } = window.viewer;
    hls.once('hlsFragLoading', () => setTimeout(() => { mesh.destroy(); done(); }));
  }));
  await everythingClosed(viewer, 3000);
  const { deliveredCount } = await viewer.report();
  await viewer.until('segments over HTTP', (r) => r.deliveredCount > deliveredCount + 1, 12_000);
}

/** The player goes while the module is on its way: nothing is started after it. */
async function destroyedWhileStarting(job) {
  const viewer = await job.mesh('starting', {}, { faults: [countsHandles] });
  await viewer.page.route(/\.wasm$/, async (route) => { await pause(1000); await route.continue().catch(() => {}); });
  await viewer.until('a core on its way', (r) => r.sdk?.state === 'starting', 10_000);
  await viewer.page.evaluate(() => viewer.hls.destroy());
  await pause(2000);
  const { sdk } = await viewer.report();
  assert.deepEqual([sdk.state, sdk.mesh], ['waiting', null], 'nothing was started for a player that is gone');
  await everythingClosed(viewer, 500);
  return viewer;
}

// ---- what must hold

/** One `error` event and one console line, with this code and text; after it the mesh is off for good. */
async function toldOnce(viewer, code, text, limitMs = 12_000) {
  await viewer.until(`the end of its core (${code})`, (r) => r.sdk?.state === 'off', limitMs);
  const { sdk, warnings } = await viewer.report();
  assert.equal(sdk.reason, code, viewer.name);
  const lines = viewer.console.filter((line) => line.includes('MeshedFlow:') && line.includes(`[${code}]`));
  assert.equal(lines.length, 1, `${viewer.name}: one console line expected, seen ${JSON.stringify(viewer.console)}`);
  assert.ok(text.test(lines[0]), `${viewer.name}: ${lines[0]}`);
  const told = warnings.filter((warning) => warning.code === code);
  assert.equal(told.length, 1, `${viewer.name}: one error event expected, seen ${JSON.stringify(warnings)}`);
  assert.ok(text.test(told[0].text), `${viewer.name}: ${told[0].text}`);
}

const OURS = ['RTCPeerConnection', 'RTCDataChannel', 'WebSocket', 'MessageChannel', 'Worker'];

/**
 * Nothing of the mesh is open; HLS.js itself has a Worker and nothing else of these. Where no promise names a time, the
 * limit only tells what is late on a busy machine from what stays open.
 */
async function everythingClosed(viewer, withinMs = 5000) {
  const end = Date.now() + withinMs;
  const open = async () => {
    const handles = await openHandles(viewer);
    return OURS.map((kind) => [kind, (handles[kind]?.open ?? 0) - (kind === 'Worker' ? 1 : 0)]).filter(([, count]) => count > 0);
  };
  let left = await open();
  while (left.length && Date.now() < end) {
    await pause(50);
    left = await open();
  }
  assert.deepEqual(left, [], `${viewer.name}: still open`);
}

/** Nobody had it worse than plain HLS.js beside it, and everybody got the origin's bytes. */
async function watchedOn(job) {
  const viewers = job.viewers.all;
  const reports = await Promise.all(viewers.map((viewer) => viewer.report()));
  noWorseThan(reports[0], reports.slice(1));
  await keepsUpWith(viewers[0], viewers.slice(1));
  await bytesEqualOrigin(job.witness, viewers);
  await quiet(viewers);
}
