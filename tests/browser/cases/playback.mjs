// Four viewers of the live stream for a minute, on each supported release of HLS.js, and each way of plugging the SDK in.

import assert from 'node:assert/strict';
import { offload } from '../offload.mjs';
import { bytesEqualOrigin, playsWell, quiet, requestsInLog, statsComplete } from '../lib/checks.mjs';
import { wants } from '../lib/pages.mjs';
import { brief, pause } from '../lib/viewers.mjs';

const JOIN_GAP_MS = 1000;
const SETTLED_MS = 10_000; // after the last join: from here on offload counts as warm

export const cases = [
  ...['1.7', '1.6', '1.5'].map((version) => ({ name: `playback-${version}`, alone: true, limitMs: 100_000, run: (job) => playback(job, version, 4, 60_000) })),
  { name: 'offload-2', alone: true, limitMs: 100_000, aside: true, run: (job) => playback(job, '1.7', 2, 60_000) },
  { name: 'snippet-1.5', limitMs: 45_000, run: (job) => pluggedIn(job, '1.5', 'snippet') },
  { name: 'snippet-1.6', limitMs: 45_000, run: (job) => pluggedIn(job, '1.6', 'snippet') },
  { name: 'shared-loader-1.7', limitMs: 45_000, run: (job) => pluggedIn(job, '1.7', 'shared') },
  { name: 'rendition-alone', limitMs: 60_000, run: alone },
];

async function playback(job, version, count, wholeMs) {
  const viewers = await join(job, count, { hls: version });
  await pause(SETTLED_MS);
  const warm = { t: Date.now(), delivered: delivered(await job.viewers.reports()) };
  await job.until(job.startedAt, wholeMs);
  const reports = await job.viewers.reports();
  const log = job.demo.log();
  const whole = offload(log, delivered(reports));
  const late = offload(log, delivered(reports) - warm.delivered, { since: warm.t });
  const startups = reports.map((r) => Math.round(r.startupMs));
  job.note = `offload ${percent(whole.offload)} whole, ${percent(late.offload)} warm; startup ${startups.join('/')} ms; takeovers ${reports.map((r) => r.sdk?.loads.takeover ?? '–').join('/')}`;
  playsWell(reports);
  for (const r of reports.slice(1)) assert.ok(r.fromPeers > 0, `${r.name} got nothing from peers: ${brief(r)}`);
  const compared = await bytesEqualOrigin(job.witness, viewers);
  for (const viewer of viewers) statsComplete(viewer.name, await viewer.fragments());
  const requests = requestsInLog(viewers, job.demo.log());
  await quiet(viewers);
  return {
    figures: { version, viewers: count, offload: whole.offload, warm: late.offload, startups },
    text: `${job.note}; ${compared} payloads equal, ${requests} requests in the log`,
  };
}

/** Two viewers who plug the SDK in as the page does that copied our snippet. */
async function pluggedIn(job, version, way) {
  const viewers = await join(job, 2, { hls: version, way });
  await viewers[1].until('bytes from peers', (r) => r.fromPeers > 0, 25_000);
  await pause(6000);
  const reports = await job.viewers.reports();
  playsWell(reports);
  const compared = await bytesEqualOrigin(job.witness, viewers);
  for (const viewer of viewers) statsComplete(viewer.name, await viewer.fragments());
  requestsInLog(viewers, job.demo.log());
  await quiet(viewers);
  return `${reports.map((r) => r.fromPeers).join('/')} B from peers, ${compared} payloads equal`;
}

/**
 * A rendition that a player loads on its own, attached: at once, with and without `originBaseUrl`, and by `loadSource()` after
 * the multivariant playlist. All of them are in the lane that the signer named.
 */
async function alone(job) {
  const src = '/live/demo/v216/index.m3u8';
  const originBaseUrl = `${job.proxy.url}/live/demo/`;
  const first = await job.mesh('first', { src }, { faults: [[wants, { originBaseUrl }]] });
  await first.playing();
  const viewers = [first, await job.mesh('without-base', { src }, { faults: [[wants, { originBaseUrl: undefined }]] }), await job.mesh('later')];
  const [, open, later] = viewers;
  await later.playing();
  await later.page.evaluate((url) => window.viewer.hls.loadSource(url), src);
  const since = (await later.report()).segments.length;
  await open.until('bytes from peers', (r) => r.fromPeers > 0, 25_000);
  const ofRendition = (s) => s.url.includes('/v216/') && s.fromPeers > 0;
  await later.until('bytes of the rendition from peers', (r) => r.segments.slice(since).some(ofRendition), 25_000);
  const reports = await job.viewers.reports();
  playsWell(reports.slice(0, 2));
  const compared = await bytesEqualOrigin(job.witness, viewers);
  for (const viewer of viewers) {
    const [sharing, warnings] = await viewer.page.evaluate(() => [window.viewer.mesh.stats().mesh.sharing, window.viewer.mesh && window.viewer.report().warnings]);
    assert.equal(sharing, 'on', `${viewer.name}: ${JSON.stringify(warnings)}`);
  }
  await quiet(viewers);
  return `${reports.map((r) => r.fromPeers).join('/')} B from peers, ${compared} payloads equal`;
}

/** Viewers one after the other, each playing before the next comes. */
export async function join(job, count, query = {}) {
  const viewers = [];
  for (let i = 1; i <= count; i += 1) {
    const viewer = await job.mesh(`viewer-${i}`, query);
    await viewer.playing();
    viewers.push(viewer);
    if (i < count) await pause(JOIN_GAP_MS);
  }
  return viewers;
}

function delivered(reports) {
  return reports.reduce((sum, r) => sum + r.deliveredBytes, 0);
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}
