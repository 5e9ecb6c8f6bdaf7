// Faults of the page that we live in: hidden, poor, blocked, patched, twice, insecure.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { site } from '../lib/demo.mjs';
import { coresRun, fault, GAP_MS, happened, morePeerBytes } from '../lib/faults.mjs';
import { countsHandles, nothingOpen } from '../lib/handles.mjs';
import { asPlain, pair } from '../lib/origin.mjs';
import {
  actsHidden, blocksWebRtc, digests, emptiesWebRtc, patchesFetch, patchesPrototypes, savesData, wants, withoutFinalization, withoutStorage,
} from '../lib/pages.mjs';
import { brief, pause } from '../lib/viewers.mjs';

export const cases = [
  fault('page-hidden', 'leave-open', hidden),
  fault('page-poor', 'ignore-save-data', poor),
  fault('page-blocked', 'assume-webrtc', blocked),
  fault('page-patched', 'trust-fetch,trust-to-json', patched),
  fault('page-two-copies', 'own-core', twoCopies),
  fault('page-insecure', 'leave-open', insecure),
];

/** Everybody hides: timers ring once a second from then on, and an all-hidden swarm still elects. */
async function hidden(job) {
  const viewers = await pair(job, {}, { faults: [actsHidden, countsHandles] });
  await morePeerBytes(viewers, 0, 12_000);
  for (const viewer of job.viewers.all) await viewer.page.evaluate(() => window.__fault.hide());
  const before = await morePeerBytes(viewers, 0, 100);
  await pause(14_000);
  for (const viewer of job.viewers.all) {
    const { held } = await viewer.fault();
    happened(job, held > 10, `only ${held} timers of ${viewer.name} were held up`);
  }
  const more = await morePeerBytes(viewers, before, 100) - before;
  await coresRun(job);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${more} B from peers while all were hidden`;
}

/** One viewer saves data and has no storage, one has hardly any memory and no FinalizationRegistry. */
async function poor(job) {
  await job.plain('plain', {}, { faults: [withoutStorage, countsHandles] });
  await job.mesh('rich', {}, { faults: [countsHandles] });
  await pause(GAP_MS);
  const saver = await job.mesh('saver', {}, { faults: [savesData, withoutStorage, countsHandles] });
  const small = await job.mesh('small', {}, { faults: [[wants, { memoryBytes: 300_000 }], withoutFinalization, countsHandles] });
  await pause(14_000);
  const facts = (viewer) => viewer.page.evaluate(() => ({ save: navigator.connection.saveData, finalization: typeof FinalizationRegistry, storage: (() => { try { return typeof localStorage; } catch { return 'throws'; } })() }));
  const [of, other] = [await facts(saver), await facts(small)];
  happened(job, of.save === true && of.storage === 'throws' && other.finalization === 'undefined', JSON.stringify([of, other]));
  await coresRun(job);
  const sent = (await saver.report()).sdk.mesh?.uploadedBytes ?? 0;
  assert.equal(sent, 0, `who saves data sent ${sent} B to others`);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${brief(await small.report()).split(', reasons')[0]}`;
}

/** Content blockers: a constructor that throws, and one whose objects do nothing. */
async function blocked(job) {
  await job.plain('plain', {}, { faults: [countsHandles] });
  await job.mesh('free', {}, { faults: [countsHandles] });
  await pause(GAP_MS);
  const throwing = await job.mesh('throwing', {}, { faults: [blocksWebRtc, countsHandles] });
  const empty = await job.mesh('empty', {}, { faults: [emptiesWebRtc, countsHandles] });
  await pause(14_000);
  for (const viewer of [throwing, empty]) {
    const { tried } = await viewer.fault();
    happened(job, tried > 0, `${viewer.name} never tried WebRTC`);
    assert.equal(viewer.sockets, 0, `${viewer.name} went to the edge although no peer can reach it`);
  }
  await coresRun(job);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return 'nobody was told of viewers that no peer can reach';
}

/** A `fetch` that knows strings only and fails with options; arrays as Prototype.js left them. Plain HLS.js lives there, too. */
async function patched(job) {
  await job.plain('plain', {}, { faults: [patchesFetch, patchesPrototypes, countsHandles] });
  const fetching = await job.mesh('fetching', {}, { faults: [patchesFetch, countsHandles] });
  await pause(GAP_MS);
  const others = [await job.mesh('prototyped', {}, { faults: [patchesPrototypes, countsHandles] }), await job.mesh('clean', {}, { faults: [countsHandles] })];
  await fetching.until('a fetch of media that was refused', async () => (await fetching.fault()).refused > 0, 20_000);
  happened(job, true);
  await morePeerBytes(others.slice(0, 1), 0, 15_000);
  await pause(6000);
  for (const viewer of others) {
    const { sdk } = await viewer.report();
    assert.equal(sdk.loads.takeover, 0, `${viewer.name}: its core was not understood in time`);
  }
  const { errors } = await fetching.report();
  assert.deepEqual(errors.filter((e) => /^frag/.test(e.what)).map((e) => e.what), [], 'plain HLS.js loads without errors on this page');
  const { fromPeers } = await others[0].report();
  await coresRun(job);
  await asPlain(job);
  const { refused } = await fetching.fault();
  await nothingOpen(job.viewers.all);
  return `fetch refused ${refused} times; ${fromPeers} B from peers beside patched prototypes`;
}

/** Two copies of the SDK, from two places, each with a player: one core, one socket, and the last one out closes it. */
async function twoCopies(job) {
  job.proxy.answer('copy', /^\/sdk2\//, (url) => ({ body: readFileSync(path.join(site(), 'sdk', url.pathname.slice('/sdk2/'.length))), type: url.pathname.endsWith('.js') ? 'text/javascript' : 'application/wasm' }));
  const viewers = await pair(job, {}, { faults: [countsHandles] });
  const twin = viewers[1];
  await twin.until('a core', (r) => r.sdk?.state === 'on', 10_000);
  await twin.page.evaluate(async () => {
    const { createMeshedFlow } = await import('/sdk2/index.js');
    const mesh = createMeshedFlow(window.viewer.options);
    const hls = new window.Hls(mesh.hlsConfig({ liveSyncDurationCount: 3 }));
    mesh.attach(hls);
    const video = Object.assign(document.createElement('video'), { muted: true });
    hls.loadSource(window.viewer.wish.src);
    hls.attachMedia(video);
    video.play();
    window.__twin = { leave: () => { hls.destroy(); mesh.destroy(); video.remove(); }, stats: () => mesh.stats(), time: () => video.currentTime, segments: 0 };
    mesh.on('segment', () => { window.__twin.segments += 1; });
  });
  await morePeerBytes(viewers, 0, 12_000);
  await pause(12_000);
  happened(job, job.proxy.hit('copy') > 0, 'the second copy was never loaded');
  const seen = await twin.page.evaluate(() => ({ stats: window.__twin.stats(), mine: window.viewer.mesh.stats(), time: window.__twin.time(), segments: window.__twin.segments }));
  assert.ok(seen.segments > 4 && seen.time > 0, `the second player got ${seen.segments} segments and stands at ${seen.time} s`);
  assert.deepEqual(seen.stats.loads, seen.mine.loads, 'the two copies have a core each');
  assert.equal(twin.sockets, 1, `${twin.sockets} sockets to the edge`);
  await coresRun(job);
  await asPlain(job);
  await twin.page.evaluate(() => window.__twin.leave());
  const { sdk } = await twin.report();
  assert.equal(sdk?.state, 'on', `the copy that left took the core of the other with it: ${sdk?.state} (${sdk?.reason})`);
  await nothingOpen(job.viewers.all);
  return `one core, one socket for two copies; ${seen.segments} segments for the second`;
}

/** http beyond loopback: no crypto.subtle, and lists and edge without TLS only because the page allows it. */
async function insecure(job) {
  const base = `http://10.88.0.2:${job.proxy.port}`;
  const viewers = await pair(job, {}, { base, faults: [[wants, { allowInsecure: true }], digests, countsHandles] });
  const kind = await viewers[0].page.evaluate(() => `${typeof crypto.subtle} ${isSecureContext}`);
  happened(job, kind === 'undefined false', kind);
  await morePeerBytes(viewers, 0, 15_000);
  await pause(8000);
  const bytes = await morePeerBytes(viewers, 0, 100);
  await coresRun(job);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${bytes} B from peers without crypto.subtle`;
}
