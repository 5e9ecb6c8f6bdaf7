// What cases with a faulty origin need to know of it, and the comparison with plain HLS.js beside them.

import assert from 'node:assert/strict';
import { keepsUpWith, noWorseThan } from './checks.mjs';
import { GAP_MS } from './faults.mjs';
import { pause } from './viewers.mjs';

/**
 * Plain HLS.js and two viewers on the mesh, the second a little later, where wanted with plain HLS.js beside it again;
 * `rest` as for {@link Viewers.open}.
 */
export async function pair(job, query = {}, rest = {}, { plainTwice = false } = {}) {
  const plain = query.src ? { src: query.src } : {};
  await job.plain('plain', plain, rest);
  const first = await job.mesh('viewer-1', query, rest);
  await pause(GAP_MS);
  if (plainTwice) await job.plain('plain-2', plain, rest);
  return [first, await job.mesh('viewer-2', query, rest)];
}

/** Lane and sequence number that a segment's URL names. */
export function segmentOf(url) {
  const [, lane, msn] = /\/(\w+)\/seg_(\d+)\.m4s$/.exec(url.pathname) ?? [];
  return { lane, msn: Number(msn) };
}

/** The newest segment of the live stream. */
export async function newestSegment(job) {
  const playlist = await (await fetch(new URL('/live/demo/v360/index.m3u8', job.demo.url))).text();
  return Number(playlist.match(/seg_(\d+)\.m4s/g).pop().match(/\d+/)[0]);
}

/** Every payload has the origin's bytes, or where a fault changes bodies, those that plain HLS.js received. */
export async function sameBytes(job, viewers, changed = () => false) {
  const plain = new Map();
  for (const f of await job.viewers.named('plain').fragments()) if (f.sha256) plain.set(new URL(f.url).pathname, f);
  let compared = 0;
  for (const viewer of viewers) {
    for (const f of (await viewer.fragments()).filter((record) => record.sha256)) {
      const { pathname } = new URL(f.url);
      const truth = await job.witness.of(f.url);
      const theirs = changed(pathname) ? plain.get(pathname)?.sha256 : undefined;
      assert.ok(f.sha256 === truth.sha256 || f.sha256 === theirs, `${viewer.name}: ${pathname} has other bytes (${f.bytes}) than at the origin (${truth.bytes})`);
      compared += 1;
    }
  }
  assert.ok(compared >= 4 * viewers.length, `only ${compared} payloads were compared`);
  return compared;
}

const isPlain = ({ name }) => /^plain/.test(name);

/** Playback as with plain HLS.js, the origin's bytes. */
export async function asPlain(job, { changed, viewers = job.viewers.all.filter((viewer) => !isPlain(viewer)) } = {}) {
  const plain = job.viewers.named('plain');
  await sameBytes(job, viewers, changed);
  await keepsUpWith(plain, viewers);
  // Now, not before the wait: a stall in it would be missing.
  const plains = await Promise.all(job.viewers.all.filter(isPlain).map((viewer) => viewer.report()));
  noWorseThan(plains, await Promise.all(viewers.map((viewer) => viewer.report())));
  for (const viewer of viewers) assert.deepEqual(viewer.pageErrors, [], `${viewer.name}: errors of the page`);
  return plain;
}

const told = (report) => report.errors.filter((e) => /^frag/.test(e.what)).map((e) => `${e.what} ${e.code} ${e.fatal} ${(e.url ?? '').replace(/.*\/(\w+\/\w+\.m4s).*/, '$1')}`);

/**
 * Where the origin refuses for good, the page hears what plain HLS.js tells it; and nothing is told that plain HLS.js
 * does not tell. `as` gives lines that mean the same one name.
 */
export async function sameErrors(job, lasting = () => true, as = (line) => line) {
  const end = Date.now() + SAID_MS;
  for (;;) {
    const differs = difference(await job.viewers.reports(), lasting, as);
    if (!differs) return;
    assert.ok(Date.now() < end, differs);
    await pause(200);
  }
}

/** Whoever comes to the same segment later tells of it later. */
const SAID_MS = 8000;

function difference([plain, ...ours], lasting, as) {
  const theirs = new Set(told(plain).map(as));
  for (const r of ours) {
    const mine = new Set(told(r).map(as));
    for (const line of mine) if (!theirs.has(line)) return `${r.name} tells "${line}", plain HLS.js does not: ${[...theirs]}`;
    for (const line of theirs) if (lasting(line) && !mine.has(line)) return `plain HLS.js tells "${line}", ${r.name} does not: ${[...mine]}`;
  }
  return null;
}
