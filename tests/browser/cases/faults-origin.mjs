// Faults of the origin: what it refuses, delays, cuts or mislabels reaches the player as with plain HLS.js, or not at all.

import assert from 'node:assert/strict';
import { fault, GAP_MS, coresRun, happened, morePeerBytes } from '../lib/faults.mjs';
import { countsHandles, nothingOpen } from '../lib/handles.mjs';
import { asPlain, newestSegment, pair, sameErrors, segmentOf } from '../lib/origin.mjs';
import { sendsByHalves } from '../lib/pages.mjs';
import { pause } from '../lib/viewers.mjs';

export const cases = [
  fault('origin-refuses', 'swallow-status', refuses),
  fault('origin-hangs', 'leave-open', hangs),
  fault('origin-lengths', 'leave-open', lengths),
  fault('origin-elsewhere', 'trust-ranges', elsewhere),
];

const COUNTED = { faults: [countsHandles] };
const MEDIA = /\/seg_\d+\.m4s$/;

/** Each status for one segment: once for each viewer, or in one rendition for good. */
async function refuses(job) {
  const plan = [
    { status: 404, lanes: /v360/ }, { status: 503, times: 2 }, { status: 425 }, { status: 403, lanes: /a64/ }, { status: 410 },
  ];
  await watch(job, 'refused', plan, 20_000);
  await sameErrors(job, (line) => / 404 /.test(line));
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${job.proxy.hit('refused')} requests refused, ${job.proxy.hit('refused', 'plain')} of plain HLS.js`;
}

/** Each answer once for each viewer: reset half-way, at a trickle, silent half-way, silent from the start. */
async function hangs(job) {
  const plan = [{ resetAt: 40_000 }, { bytesPerS: 60_000 }, { stallAt: 30_000 }, { stallAt: -1 }];
  await watch(job, 'hung', plan, 20_000, { plainTwice: true });
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${job.proxy.hit('hung')} answers hung, ${job.proxy.hit('hung', 'plain')} of plain HLS.js`;
}

/** Bodies that end early, are empty, coded, or longer or shorter than the origin signed. */
async function lengths(job) {
  const plan = [{ overstate: 4000 }, { extra: 64, lanes: /v/ }, { gzip: true, lanes: /v|a/ }, { cut: 3000, lanes: /v/ }, { empty: true }];
  const from = await watch(job, 'length', plan, 20_000);
  // An empty body is an error of loading to us, one of parsing to plain HLS.js.
  await sameErrors(job, () => false, (line) => line.replace(/^(fragLoadError 200|fragParsingError null)/, 'empty'));
  const changed = [from + 1, from + 3];
  await asPlain(job, { changed: (path) => changed.some((msn) => path.endsWith(`/seg_${msn}.m4s`)) });
  await nothingOpen(job.viewers.all);
  return `${job.proxy.hit('length')} bodies of another length`;
}

/**
 * The stream on another host that exposes no headers, codes bodies, redirects, and answers ranges with the whole or not
 * at all. Neighbours send only half of what they are asked for, so that ranges are needed.
 */
async function elsewhere(job) {
  const host = await job.anotherHost();
  const query = { src: `${host.url}/live/demo/master.m3u8` };
  const refused = new Map();
  host.shape('range', MEDIA, ({ range, viewer }) => {
    if (!range) return null;
    refused.set(viewer, (refused.get(viewer) ?? 0) + 1);
    return viewer === 'victim-1' ? { ignoreRange: true } : { status: 416 };
  });
  host.shape('coded', /a64\/seg_\d+\.m4s$/, ({ url }) => (segmentOf(url).msn % 2 ? { gzip: true } : { redirect: job.proxy.url }));
  await job.plain('plain', query, COUNTED);
  await job.mesh('halves', query, { faults: [countsHandles, sendsByHalves] });
  await pause(GAP_MS);
  // Who sends nothing is never elected to fetch, and so waits for what it got in part.
  const victims = [];
  for (const name of ['victim-1', 'victim-2']) victims.push(await job.mesh(name, { ...query, upload: 0 }, COUNTED));
  await morePeerBytes(victims, 0, 15_000);
  await pause(14_000);
  happened(job, refused.size > 0 && host.hit('coded', 'plain') >= 4, `${[...refused]} ranges refused, ${host.hit('coded', 'plain')} bodies coded or moved`);
  for (const [viewer, times] of refused) assert.ok(times <= 2, `${viewer} asked ${times} times for ranges where none are given`);
  await coresRun(job);
  await sameErrors(job);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${host.hit('range')} ranges refused, ${host.hit('coded')} bodies coded or moved`;
}

/**
 * Two viewers on the mesh, plain HLS.js beside them; once bytes flow between peers, each new segment has its fault in
 * `plan`: for the first `times` (1) requests that a viewer makes for it, or for `lanes` of it every time.
 */
async function watch(job, name, plan, ms, how = {}) {
  const viewers = await pair(job, {}, COUNTED, how);
  await morePeerBytes(viewers, 0, 12_000);
  const from = (await newestSegment(job)) + 1;
  const asked = new Map();
  job.proxy.shape(name, MEDIA, ({ url, viewer }) => {
    const { lane, msn } = segmentOf(url);
    const { lanes, times = 1, ...shape } = plan[msn - from] ?? { lanes: /^$/ };
    if (!(lanes ?? /v/).test(lane)) return null;
    const key = `${viewer} ${msn}`;
    asked.set(key, (asked.get(key) ?? 0) + 1);
    return lanes || asked.get(key) <= times ? shape : null;
  });
  await pause(ms);
  for (const viewer of job.viewers.all) happened(job, job.proxy.hit(name, viewer.name) >= 2, `${job.proxy.hit(name, viewer.name)} answers to ${viewer.name} had a fault`);
  await coresRun(job);
  return from;
}
