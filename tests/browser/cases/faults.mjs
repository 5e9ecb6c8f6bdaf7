// Faults: whatever breaks, the viewer watches on as with plain HLS.js, and sees the origin's bytes and no others.
//
// Each case first shows that its fault really happened, then compares with plain HLS.js in the same job. Each names the
// mutant (a defence that a test build can switch off) under which it must turn red.

import assert from 'node:assert/strict';
import { isMedia } from '../offload.mjs';
import { bytesEqualOrigin, keepsUpWith, noWorseThan, quiet } from '../lib/checks.mjs';
import { closesMidway, flipsBytes, withoutWebRtc } from '../lib/in-page.mjs';
import { forgeRolling, listsOf, strangerSigner, streamOf, unsigned } from '../lib/lists.mjs';
import { brief, pause } from '../lib/viewers.mjs';

const LISTS = /\.mfi(\.json)?$/;
const WATCH_MS = 12_000; // a viewer starts with up to 12 s of buffer; what it loads in this time tells
const GAP_MS = 2500;

export const cases = [
  fault('no-edge', 'wait-for-peers,no-takeover', noEdge),
  fault('edge-killed-and-back', 'give-up-edge', edgeKilledAndBack),
  fault('wasm-404', 'wait-for-core', wasm404),
  fault('no-webrtc', 'assume-webrtc', noWebRtc),
  fault('no-list', 'wait-for-list,no-takeover', noList),
  fault('list-unsigned', 'trust-any-key', listUnsigned),
  fault('list-wrong-key', 'trust-any-key', listWrongKey),
  fault('list-wrong-stream', 'ignore-stream', listWrongStream),
  fault('peer-flips-bytes', 'accept-unverified', (job) => peerFlips(job, '1.7')),
  fault('peer-flips-bytes-1.5', 'accept-unverified', (job) => peerFlips(job, '1.5')),
  fault('peer-closes-midway', 'wait-for-peers,no-takeover', (job) => peerCloses(job, '1.7')),
  fault('peer-closes-midway-1.6', 'wait-for-peers,no-takeover', (job) => peerCloses(job, '1.6')),
];

function fault(name, mutant, run) {
  return { name, mutant, limitMs: 40_000, run };
}

async function noEdge(job) {
  job.proxy.killEdge();
  await crowd(job, 2);
  await pause(WATCH_MS);
  happened(job, job.proxy.refusedSockets > 0, 'nobody tried to reach the edge');
  await coresRun(job);
  await noPeerBytes(job);
  await unharmed(job);
  return `${job.proxy.refusedSockets} sockets refused`;
}

/** Peers outlive the edge; once it is back, who joins then finds those who were there before. */
async function edgeKilledAndBack(job) {
  const [first, second] = await crowd(job, 2);
  const before = await morePeerBytes([first, second], 0, 10_000);
  job.proxy.killEdge();
  await pause(300); // until the cut sockets have told that they are closed
  happened(job, job.proxy.cutSockets >= 2 && job.proxy.openSockets === 0, `${job.proxy.cutSockets} sockets were cut, ${job.proxy.openSockets} are open`);
  await morePeerBytes([first, second], before, 6000);
  job.proxy.restoreEdge();
  const third = await job.mesh('viewer-3');
  await third.until('a neighbour', (r) => r.peers > 0, 8000);
  await morePeerBytes([third], 0, 10_000);
  await unharmed(job);
  return `${job.proxy.cutSockets} sockets cut; the third viewer got ${(await third.report()).fromPeers} B from peers`;
}

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

/** Lists may cost the origin little, also when they are of no use. */
function fewListRequests(job) {
  const copies = job.demo.log().filter(isMedia).length;
  const asked = job.proxy.hit('list');
  assert.ok(asked <= copies, `${asked} requests for lists, but only ${copies} for media`);
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

async function peerFlips(job, version) {
  const { bad, victim } = await badPeer(job, version, flipsBytes);
  await bad.until('a flipped message', async () => (await bad.fault()).flipped > 0, 12_000);
  await pause(6000);
  const { flipped } = await bad.fault();
  happened(job, flipped > 0, 'no byte was flipped');
  await unharmed(job);
  return `${flipped} messages flipped; the victim: ${(await victim.report()).fromPeers} B from peers`;
}

async function peerCloses(job, version) {
  const { bad } = await badPeer(job, version, closesMidway);
  await bad.until('a connection closed midway', async () => (await bad.fault()).closed > 0, 12_000);
  await pause(7000);
  const { begun, closed } = await bad.fault();
  happened(job, begun > 0 && closed > 0, `transfers begun ${begun}, connections closed ${closed}`);
  await unharmed(job);
  return `${begun} transfers begun and not ended, ${closed} connections closed`;
}

/** One bad peer, one victim who joins later and, sending nothing itself, is never elected to fetch; plain HLS.js beside them. */
async function badPeer(job, version, hook) {
  await job.plain('plain', { hls: version });
  const bad = await job.mesh('bad-peer', { hls: version }, { faults: [hook] });
  await pause(GAP_MS);
  const victim = await job.mesh('victim', { hls: version, upload: 0 });
  return { bad, victim };
}

/** Plain HLS.js, and `count` mesh viewers one after the other; nobody waits until they play. */
async function crowd(job, count, query = {}) {
  await job.plain('plain');
  const viewers = [];
  for (let i = 1; i <= count; i += 1) {
    await pause(i === 1 ? 0 : GAP_MS);
    viewers.push(await job.mesh(`viewer-${i}`, query));
  }
  return viewers;
}

/** From here on a red test is the defence's doing, not the fault's absence. */
function happened(job, it, otherwise) {
  assert.ok(it, `the fault did not happen: ${otherwise}`);
  job.faulted = true;
}

/** The defence is tried only where a core runs. */
async function coresRun(job) {
  for (const r of (await job.viewers.reports()).filter((each) => each.mode !== 'plain')) {
    assert.equal(r.sdk?.state, 'on', `no core runs at ${r.name}: ${r.sdk?.state} (${r.sdk?.reason ?? 'no reason'})`);
  }
}

async function unharmed(job) {
  const plain = job.viewers.named('plain');
  const ours = job.viewers.all.filter((viewer) => viewer !== plain);
  await bytesEqualOrigin(job.witness, ours);
  const reference = await plain.fragments();
  for (const viewer of ours) keepsUpWith(reference, viewer.name, await viewer.fragments());
  noWorseThan(await plain.report(), await Promise.all(ours.map((viewer) => viewer.report())));
  await quiet(ours);
}

async function noPeerBytes(job) {
  for (const r of await job.viewers.reports()) assert.equal(r.fromPeers, 0, `${r.name} took bytes from peers: ${brief(r)}`);
}

/** Waits until these viewers together have more than `least` bytes from peers, and tells how many. */
async function morePeerBytes(viewers, least, limitMs) {
  const end = Date.now() + limitMs;
  for (;;) {
    const reports = await Promise.all(viewers.map((viewer) => viewer.report()));
    const sum = reports.reduce((bytes, r) => bytes + (r?.fromPeers ?? 0), 0);
    if (sum > least) return sum;
    assert.ok(Date.now() < end, `no more than ${least} B from peers within ${limitMs} ms: ${reports.map(brief).join('; ')}`);
    await pause(100);
  }
}
