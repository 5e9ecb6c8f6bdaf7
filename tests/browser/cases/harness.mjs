// The harness against itself: what it must find, it finds; plain HLS.js passes what the mesh must pass.

import assert from 'node:assert/strict';
import { bytesEqualOrigin, playsWell, quiet, requestsInLog, statsComplete } from '../lib/checks.mjs';
import { countsHandles, nothingOpen, openHandles } from '../lib/handles.mjs';
import { pause } from '../lib/viewers.mjs';

export const cases = [
  { name: 'lab-data-channel', limitMs: 20_000, run: dataChannel },
  { name: 'plain-control', limitMs: 40_000, run: plainControl },
  { name: 'harness-sees-stalls', limitMs: 30_000, run: seesStalls },
  { name: 'harness-sees-flips', limitMs: 30_000, run: seesFlips },
  { name: 'harness-sees-leaks', limitMs: 30_000, run: seesLeaks },
];

/** Two pages in two contexts open a data channel without any STUN server. */
async function dataChannel(job) {
  const pages = [];
  for (let i = 0; i < 2; i += 1) pages.push(await (await job.browser.newContext()).newPage());
  const [a, b] = pages;
  const offer = await a.evaluate(async () => {
    window.pc = new RTCPeerConnection({ iceServers: [] });
    window.channel = window.pc.createDataChannel('x', { negotiated: true, id: 0 });
    window.opened = new Promise((resolve) => { window.channel.onopen = resolve; });
    await window.pc.setLocalDescription(await window.pc.createOffer());
    await new Promise((resolve) => { window.pc.onicecandidate = (e) => { if (!e.candidate) resolve(); }; });
    return window.pc.localDescription.toJSON();
  });
  assert.match(offer.sdp, /a=candidate:/, 'no candidate was gathered: is there an interface with an address and a default route?');
  const answer = await b.evaluate(async (given) => {
    window.pc = new RTCPeerConnection({ iceServers: [] });
    const channel = window.pc.createDataChannel('x', { negotiated: true, id: 0 });
    window.heard = new Promise((resolve) => { channel.onmessage = (e) => resolve(e.data); });
    await window.pc.setRemoteDescription(given);
    await window.pc.setLocalDescription(await window.pc.createAnswer());
    await new Promise((resolve) => { window.pc.onicecandidate = (e) => { if (!e.candidate) resolve(); }; });
    return window.pc.localDescription.toJSON();
  }, offer);
  const began = Date.now();
  await a.evaluate(async (given) => { await window.pc.setRemoteDescription(given); await window.opened; window.channel.send('hello'); }, answer);
  assert.equal(await b.evaluate(() => window.heard), 'hello');
  return `open after ${Date.now() - began} ms`;
}

async function plainControl(job) {
  const viewers = [];
  for (const version of ['1.5', '1.6', '1.7']) {
    const viewer = await job.plain(`plain-${version}`, { hls: version });
    await viewer.playing();
    viewers.push(viewer);
  }
  await pause(12_000);
  playsWell(await job.viewers.reports());
  await quiet(viewers);
  const compared = await bytesEqualOrigin(job.witness, viewers);
  let stats = 0;
  for (const viewer of viewers) stats += statsComplete(viewer.name, await viewer.fragments());
  const requests = requestsInLog(viewers, job.demo.log());
  return `${compared} payloads equal the origin's, ${stats} stats complete, ${requests} requests in the log`;
}

/** A playhead that stands for 600 ms is one stall of about that length. */
async function seesStalls(job) {
  const viewer = await job.plain('stands');
  await viewer.playing();
  await pause(3000);
  await viewer.page.evaluate(() => { document.querySelector('video').playbackRate = 0; });
  await pause(600);
  await viewer.page.evaluate(() => { document.querySelector('video').playbackRate = 1; });
  await pause(1000);
  const report = await viewer.report();
  assert.equal(report.stalls.count, 1, `one stall expected, seen ${report.stalls.count}`);
  assert.ok(report.stalls.ms > 400 && report.stalls.ms < 1200, `a stall of about 600 ms expected, seen ${report.stalls.ms} ms`);
  // With seconds of data in hand it is the browser's; with none the loader's.
  playsWell([report]);
  const [{ from }] = report.stalls.each;
  assert.throws(() => playsWell([{ ...report, hungry: [from + 100] }]), /stalled/);
  return `stall of ${Math.round(report.stalls.ms)} ms seen`;
}

/** One flipped bit on the way from the origin is found by the comparison of digests. */
async function seesFlips(job) {
  job.proxy.rewrite('flip', /\.m4s$/, (body) => { const copy = Buffer.from(body); copy[copy.length - 5] ^= 0x40; return copy; });
  const viewer = await job.plain('flipped');
  await viewer.until('eight payloads, init segments among them', (r) => r.deliveredCount >= 8, 10_000);
  assert.ok(job.proxy.hit('flip') >= 4, 'the proxy flipped nothing');
  await assert.rejects(bytesEqualOrigin(job.witness, [viewer]), /other bytes than at the origin/);
  return `${job.proxy.hit('flip')} flipped bodies, found`;
}

/** One of each kind of handle, opened and never closed. Each stands alone: it runs in the page. */
const LEAKS = {
  RTCPeerConnection: () => { window.__leak = new RTCPeerConnection(); },
  RTCDataChannel: () => { window.__leak = new RTCPeerConnection().createDataChannel('x'); },
  WebSocket: () => { window.__leak = new WebSocket(`${location.origin.replace('http', 'ws')}/mesh`); },
  XMLHttpRequest: () => { const xhr = new XMLHttpRequest(); xhr.open('GET', '/hangs'); xhr.send(); },
  fetch: () => { fetch('/hangs').catch(() => {}); },
  requests: () => { fetch('/hangs').catch(() => {}); },
  setTimeout: () => { setTimeout(() => {}, 60_000); },
  setInterval: () => { setInterval(() => {}, 60_000); },
  MessageChannel: () => { window.__leak = new MessageChannel(); },
  BroadcastChannel: () => { window.__leak = new BroadcastChannel('x'); },
  Worker: () => { window.__leak = new Worker(URL.createObjectURL(new Blob(['']))); },
  MutationObserver: () => { new MutationObserver(() => {}).observe(document.body, { childList: true }); },
  listeners: () => { addEventListener('online', () => {}); },
  objectURL: () => { URL.createObjectURL(new Blob([''])); },
  globals: () => { window[Symbol.for('meshedflow:left')] = 1; },
};

/** Two pages of plain HLS.js leave the same; one that leaked something is found, and what it leaked is named. */
async function seesLeaks(job) {
  job.proxy.answer('hangs', /^\/hangs$/, () => new Promise(() => {}));
  const [tidy, leaky] = await Promise.all(['tidy', 'leaky'].map((name) => job.plain(name, {}, { faults: [countsHandles] })));
  await Promise.all([tidy.playing(), leaky.playing()]);
  await nothingOpen([tidy, leaky]);
  for (const [kind, leak] of Object.entries(LEAKS)) {
    const before = (await openHandles(leaky))[kind].open;
    await leaky.page.evaluate(leak);
    const { open } = (await openHandles(leaky))[kind];
    assert.ok(open > before, `a leaked ${kind} was not counted: ${before}, then ${open}`);
  }
  await assert.rejects(nothingOpen([tidy, leaky]), (error) => {
    for (const kind of Object.keys(LEAKS)) assert.match(error.message, new RegExp(`leaky: \\d+ ${kind}, plain HLS.js`));
    return true;
  });
  return `${Object.keys(LEAKS).length} kinds of handles, each found when left open`;
}
