// What cases of faults share: how they begin, how they show that the fault happened, and what must hold in spite of it.

import assert from 'node:assert/strict';
import { isMedia } from '../offload.mjs';
import { bytesEqualOrigin, keepsUpWith, noWorseThan, quiet } from './checks.mjs';
import { brief, pause } from './viewers.mjs';

export const WATCH_MS = 12_000; // a viewer starts with up to 12 s of buffer; what it loads in this time tells
export const GAP_MS = 2500;
const BLOCKED = 0.1; // on two shared cores tasks of some 20 ms take above 50 at times

export function fault(name, mutant, run) {
  return { name, mutant, limitMs: 90_000, run };
}

/** Plain HLS.js, and `count` mesh viewers one after the other; nobody waits until they play. */
export async function crowd(job, count, query = {}) {
  await job.plain('plain');
  const viewers = [];
  for (let i = 1; i <= count; i += 1) {
    await pause(i === 1 ? 0 : GAP_MS);
    viewers.push(await job.mesh(`viewer-${i}`, query));
  }
  return viewers;
}

/** From here on a red test is the defence's doing, not the fault's absence. */
export function happened(job, it, otherwise) {
  assert.ok(it, `the fault did not happen: ${otherwise}`);
  job.faulted = true;
}

/** The defence is tried only where a core runs. */
export async function coresRun(job) {
  for (const r of (await job.viewers.reports()).filter((each) => each.mode !== 'plain')) {
    assert.equal(r.sdk?.state, 'on', `no core runs at ${r.name}: ${r.sdk?.state} (${r.sdk?.reason ?? 'no reason'})`);
  }
}

/** What must hold of all viewers on the mesh, or of these. */
export async function unharmed(job, ours = job.viewers.all.filter((viewer) => viewer.name !== 'plain')) {
  const plain = job.viewers.named('plain');
  await bytesEqualOrigin(job.witness, ours);
  await keepsUpWith(plain, ours);
  noWorseThan(await plain.report(), await Promise.all(ours.map((viewer) => viewer.report())));
  await quiet(ours);
}

export async function noPeerBytes(job) {
  for (const r of await job.viewers.reports()) assert.equal(r.fromPeers, 0, `${r.name} took bytes from peers: ${brief(r)}`);
}

/** Waits until these viewers together have more than `least` bytes from peers, and tells how many. */
export async function morePeerBytes(viewers, least, limitMs) {
  const end = Date.now() + limitMs;
  for (;;) {
    const reports = await Promise.all(viewers.map((viewer) => viewer.report()));
    const sum = reports.reduce((bytes, r) => bytes + (r?.fromPeers ?? 0), 0);
    if (sum > least) return sum;
    assert.ok(Date.now() < end, `no more than ${least} B from peers within ${limitMs} ms: ${reports.map(brief).join('; ')}`);
    await pause(100);
  }
}

/** Lists may cost the origin little, also when they are of no use. */
export function fewListRequests(job) {
  const copies = job.demo.log().filter(isMedia).length;
  const asked = job.proxy.hit('list');
  assert.ok(asked <= copies, `${asked} requests for lists, but only ${copies} for media`);
}

/**
 * The main threads of our viewers were not blocked much longer than that of plain HLS.js beside them: the share of time
 * beyond 50 ms that tasks took. It is measured in the same seconds on the same machine, plain HLS.js counts twice, and a
 * tenth of the time is added: what is found is a page that hangs, not a machine that is slow. A page's first seconds
 * belong to its player and to compiling; all these viewers must have been opened with `countsLongTasks`.
 */
export async function calm(job, viewers = job.viewers.all) {
  const share = (viewer) => viewer.page.evaluate((from) => {
    const beyond = window.__long.filter(({ at }) => at > from).reduce((sum, { ms }) => sum + ms - 50, 0);
    return beyond / (performance.now() - from);
  }, 4000);
  const plain = await share(job.viewers.named('plain'));
  for (const viewer of viewers) {
    const ours = await share(viewer);
    assert.ok(ours <= BLOCKED + 2 * plain, `${viewer.name}: main thread blocked for ${(100 * ours).toFixed(1)} % of the time, plain HLS.js for ${(100 * plain).toFixed(1)} %`);
  }
}
