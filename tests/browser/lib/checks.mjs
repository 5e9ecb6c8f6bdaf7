// What must hold of viewers, stated once.

import assert from 'node:assert/strict';
import { isMedia } from '../offload.mjs';
import { brief, pause } from './viewers.mjs';

const MEDIA_PATH = /\.(m4s|mp4|ts)$/;

/** A stall is the loader's if the player had nearly nothing to play at some time of it; see hunger.js of the page. */
const NEAR_MS = 150;

/** The report without what the browser was too busy for. */
function ofTheLoader(report) {
  const { hungry, heldUpSeconds, playedSeconds, stalls } = report;
  const each = stalls.each.filter(({ from, ms }) => hungry.some((at) => at > from - NEAR_MS && at < from + ms + NEAR_MS));
  const sum = each.reduce((total, { ms }) => total + ms, 0);
  return { ...report, playedSeconds: playedSeconds + heldUpSeconds, stalls: { count: each.length, ms: sum, each } };
}

/** Nobody stalled, and everybody played nearly as long as the clock ran. */
export function playsWell(reports) {
  for (const r of reports.map(ofTheLoader)) {
    assert.equal(r.failed, null, `${r.name} failed: ${r.failed}`);
    assert.equal(r.stalls.count, 0, `${r.name} stalled: ${brief(r)}`);
    assert.ok(r.playedSeconds >= 0.9 * r.wallSeconds, `${r.name} played less than 0.9 of the time: ${brief(r)}`);
  }
}

/** A machine that hesitates does so for everybody: stalls that begin this close together are one and the same. */
const TOGETHER_MS = 500;

/**
 * Has no stall that plain HLS.js beside it in the same job did not have at that moment, too. Several plain viewers may be
 * given: who joins at another time is differently far behind live, and a fault of seconds hits it otherwise.
 */
export function noWorseThan(theirs, reports) {
  const plains = [theirs].flat().map(ofTheLoader);
  const stalls = plains.flatMap((plain) => plain.stalls.each);
  const longest = Math.max(...plains.map((plain) => plain.stalls.ms));
  const least = Math.min(...plains.map((plain) => plain.playedSeconds / plain.wallSeconds));
  const told = plains.map(brief).join('; ');
  for (const r of reports.map(ofTheLoader)) {
    assert.equal(r.failed, null, `${r.name} failed: ${r.failed}`);
    assert.notEqual(r.startupMs, null, `${r.name} never started: ${brief(r)}`);
    const extra = r.stalls.each.filter((s) => !stalls.some((theirs) => overlap(s, theirs)));
    assert.deepEqual(extra, [], `${r.name} stalled where plain HLS.js did not: ${brief(r)} against ${told}`);
    assert.ok(r.stalls.ms <= longest + TOGETHER_MS, `${r.name} stalled longer than plain HLS.js: ${brief(r)} against ${told}`);
    // Where plain HLS.js hardly plays itself, as with bodies that no decoder takes, chance has a part in how much.
    const share = Math.min(0.9, least - (least < 0.7 ? 0.15 : 0.05));
    assert.ok(r.playedSeconds >= share * r.wallSeconds, `${r.name} played less than ${share.toFixed(2)} of the time: ${brief(r)}`);
  }
}

function overlap(a, b) {
  return a.from < b.from + b.ms + TOGETHER_MS && b.from < a.from + a.ms + TOGETHER_MS;
}

/** A live playlist is read again once per target duration, by each player at another moment. */
const NEXT_PLAYLIST_MS = 5000;

/** Loads go on: at most one behind what is now the newest segment of plain HLS.js, at the latest after the next playlist. */
export async function keepsUpWith(plain, viewers) {
  const newest = async (viewer) => Math.max(-1, ...(await viewer.fragments()).filter((f) => f.type === 'main' && Number.isInteger(f.sn)).map((f) => f.sn));
  const theirs = await newest(plain);
  const end = Date.now() + NEXT_PLAYLIST_MS;
  for (const viewer of viewers) {
    let ours = await newest(viewer);
    while (ours < theirs - 1 && Date.now() < end) {
      await pause(100);
      ours = await newest(viewer);
    }
    assert.ok(ours >= theirs - 1, `${viewer.name} got as far as segment ${ours}, plain HLS.js as far as ${theirs} before it`);
  }
}

/** Every payload that HLS.js received equals the origin's bytes. Returns how many were compared. */
export async function bytesEqualOrigin(witness, viewers) {
  let compared = 0;
  for (const viewer of viewers) {
    for (const f of (await viewer.fragments()).filter((record) => record.sha256)) {
      const truth = await witness.of(f.url, f.range);
      assert.equal(f.bytes, truth.bytes, `${viewer.name}: ${f.url} has another length than at the origin`);
      assert.equal(f.sha256, truth.sha256, `${viewer.name}: ${f.url} has other bytes than at the origin`);
      compared += 1;
    }
  }
  assert.ok(compared >= 4 * viewers.length, `only ${compared} payloads were compared`);
  return compared;
}

const TIMES = [['loading', ['start', 'first', 'end']], ['parsing', ['start', 'end']], ['buffering', ['start', 'first', 'end']]];

/** `frag.stats` of every buffered fragment is complete, finite, ordered. */
export function statsComplete(name, fragments) {
  const buffered = fragments.filter((record) => record.buffered);
  assert.ok(buffered.length >= 2, `${name}: only ${buffered.length} fragments with statistics`);
  for (const { url, stats } of buffered) {
    const where = `${name}: stats of ${url}: ${JSON.stringify(stats)}`;
    // HLS.js's own loader says Infinity when all bytes came within one tick of the clock.
    assert.ok(stats.bwEstimate >= 0, `bwEstimate is no number; ${where}`);
    for (const key of ['loaded', 'total', 'retry', 'chunkCount']) assert.ok(Number.isFinite(stats[key]), `${key} is no finite number; ${where}`);
    for (const [group, keys] of TIMES) for (const key of keys) assert.ok(Number.isFinite(stats[group][key]), `${group}.${key} is no finite number; ${where}`);
    const { start, first, end } = stats.loading;
    assert.ok(start > 0 && start <= first && first <= end, `loading times are out of order; ${where}`);
    assert.ok(stats.loaded > 0 && stats.loaded === stats.total, `loaded is not total; ${where}`);
    assert.equal(stats.aborted, false, `aborted; ${where}`);
  }
  return buffered.length;
}

/** A request this young may still be on its way into the log. */
const YOUNG_MS = 2000;

/**
 * Every media request that a browser made stands in the origin's log: nothing came from a cache, nothing escapes the count.
 * A request that the page aborted may have ended before the origin saw it; if the origin sent bytes, it has logged them.
 */
export function requestsInLog(viewers, log) {
  const newest = Date.now() - YOUNG_MS;
  const left = new Map();
  const key = (path, range) => `${path} ${range ?? ''}`;
  for (const line of log.filter(isMedia)) {
    const k = key(line.path, line.range);
    left.set(k, (left.get(k) ?? 0) + 1);
  }
  let seen = 0;
  for (const viewer of viewers) {
    for (const request of viewer.requests) {
      const { pathname } = new URL(request.url);
      if (!MEDIA_PATH.test(pathname) || request.at > newest || request.aborted) continue;
      const k = key(pathname, request.range);
      const rest = left.get(k) ?? 0;
      assert.ok(rest > 0, `${viewer.name} requested ${k}, but the origin's log does not have it (that often)`);
      left.set(k, rest - 1);
      seen += 1;
    }
  }
  return seen;
}

/** No script error, neither in the page nor caught by HLS.js from a loader or a listener. */
export async function quiet(viewers) {
  for (const viewer of viewers) {
    assert.deepEqual(viewer.pageErrors, [], `${viewer.name}: errors of the page`);
    const { errors } = await viewer.report();
    assert.deepEqual(errors.filter((e) => e.fatal || e.what === 'internalException'), [], `${viewer.name}: errors of HLS.js`);
  }
}
