// Faults: whatever breaks, the viewer watches on as with plain HLS.js, and sees the origin's bytes and no others.
//
// Each case first shows that its fault really happened, then compares with plain HLS.js in the same job. Each names the
// mutant (a defence that a test build can switch off) under which it must turn red.

import assert from 'node:assert/strict';
import { WATCH_MS, coresRun, crowd, fault, fewListRequests, happened, noPeerBytes, unharmed } from '../lib/faults.mjs';
import { withoutWebRtc } from '../lib/in-page.mjs';
import { forgeRolling, listsOf, strangerSigner, streamOf, unsigned } from '../lib/lists.mjs';
import { brief, pause } from '../lib/viewers.mjs';

const LISTS = /\.mfi(\.json)?$/;

export const cases = [
  fault('wasm-404', 'wait-for-core', wasm404),
  fault('no-webrtc', 'assume-webrtc', noWebRtc),
  fault('no-list', 'wait-for-list,no-takeover', noList),
  fault('list-unsigned', 'trust-any-key', listUnsigned),
  fault('list-wrong-key', 'trust-any-key', listWrongKey),
  fault('list-wrong-stream', 'ignore-stream', listWrongStream),
];

async function wasm404(job) {
  job.proxy.refuse('wasm', /\.wasm$/);
  const viewers = await crowd(job, 2);
  await pause(WATCH_MS);
  happened(job, job.proxy.hit('wasm') > 0, 'nobody asked for the wasm module');
  await noPeerBytes(job);
  await unharmed(job);
  for (const viewer of viewers) {
    const ours = viewer.console.filter((line) => line.startsWith('warning: MeshedFlow'));
    assert.equal(ours.length, 1, `${viewer.name}: one console line of ours expected, seen ${JSON.stringify(ours)}`);
  }
  return `module refused ${job.proxy.hit('wasm')} times`;
}

async function noWebRtc(job) {
  const [first] = await crowd(job, 1);
  const without = await job.mesh('without-webrtc', {}, { faults: [withoutWebRtc] });
  await pause(WATCH_MS);
  const kind = await without.page.evaluate(() => typeof RTCPeerConnection);
  happened(job, kind === 'undefined' && (await without.fault()) !== null, `RTCPeerConnection is a ${kind}`);
  await noPeerBytes(job);
  await unharmed(job);
  // Whoever cannot be reached must not be proposed to others, and has no use for a core.
  assert.equal(without.sockets, 0, 'it went to the edge although no peer can reach it');
  assert.deepEqual(without.requests.filter((r) => r.url.endsWith('.wasm')), [], 'it fetched the module');
  const { sdk, warnings } = await without.report();
  assert.deepEqual([sdk.state, sdk.reason, warnings.map((w) => w.code)], ['off', 'no-webrtc', ['no-webrtc']]);
  assert.equal((await first.report()).sdk.state, 'on', 'the other viewer runs no core');
  return `${brief(await first.report()).split(',')[0]}`;
}

async function noList(job) {
  job.proxy.refuse('list', LISTS);
  await crowd(job, 2);
  await pause(WATCH_MS);
  happened(job, job.proxy.hit('list') > 0, 'nobody asked for a list');
  await coresRun(job);
  await noPeerBytes(job);
  await unharmed(job);
  fewListRequests(job);
  return `lists refused ${job.proxy.hit('list')} times`;
}

function listUnsigned(job) {
  return forgedLists(job, unsigned);
}

function listWrongKey(job) {
  return forgedLists(job, strangerSigner());
}

async function forgedLists(job, forge) {
  job.proxy.rewrite('list', LISTS, (body) => forgeRolling(body, forge));
  await crowd(job, 2);
  await pause(WATCH_MS);
  happened(job, job.proxy.hit('list') > 0, 'nobody read a forged list');
  await coresRun(job);
  await noPeerBytes(job);
  await unharmed(job);
  fewListRequests(job);
  return `${job.proxy.hit('list')} forged documents read`;
}

/** Well signed by the right key, but for another stream than the one the page is for. */
async function listWrongStream(job) {
  const streams = new Set();
  job.proxy.rewrite('list', LISTS, (body) => { listsOf(body).forEach((list) => streams.add(streamOf(list))); return body; });
  await crowd(job, 2, { stream: 'another' });
  await pause(WATCH_MS);
  happened(job, job.proxy.hit('list') > 0 && streams.size > 0 && !streams.has('another'), `lists read: ${job.proxy.hit('list')}, for streams ${[...streams]}`);
  await coresRun(job);
  await noPeerBytes(job);
  await unharmed(job);
  fewListRequests(job);
  return `${job.proxy.hit('list')} documents for stream ${[...streams]} read`;
}
