// ABR on a ladder of three rungs: a mesh must not fool HLS.js into a level that it cannot keep, nor keep it below one that
// it could. Each case has plain HLS.js beside it, on a line of its own of the same rate.

import assert from 'node:assert/strict';
import { ladder, rungs } from '../abr/ladder.mjs';
import { Line } from '../abr/shaper.mjs';
import { course, pin, seenBy, shareAt, turns, watchesLevels } from '../abr/watch.mjs';
import { bytesEqualOrigin, noWorseThan, quiet, statsComplete } from '../lib/checks.mjs';
import { brief, pause } from '../lib/viewers.mjs';

/** After the last join: the start is over, and neighbours have been met. */
const SETTLED_MS = 4000;
/** What is buffered is shown first, whatever is loaded now. */
const BUFFERED_MS = 10_000;
const BROADBAND = 20_000_000;
const TOP_HEIGHT = 480;
const TOP_SEGMENT = /\/v480\/.*\.m4s$/;
/** Of what HTTP could replace, ABR may be told so much; a little more for what EWMAs and clocks add. */
const CAP = 1.5 * 1.08;

export const cases = [
  abr('abr-loses-peers', 75_000, losesPeers),
  abr('abr-no-oscillation', 75_000, noOscillation),
  abr('abr-abandons', 60_000, abandons),
  abr('abr-stays-a-number', 60_000, staysANumber),
  abr('abr-top-rung-3', 75_000, (job) => topRung(job, 3, 22_000)),
  abr('abr-top-rung-4', 90_000, (job) => topRung(job, 4, 45_000), { alone: true, aside: true }),
  abr('abr-top-rung-8', 240_000, (job) => topRung(job, 8, 60_000, true), { alone: true, aside: true }),
  abr('abr-oscillation-edge', 120_000, (job) => oscillation(job, 600_000, 90_000), { aside: true }),
];

function abr(name, limitMs, run, more = {}) {
  return { name, limitMs, media: ladder, run, ...more };
}

/** A viewer whose peers hold every rung, on a line that bears the middle one, loses them all at once. */
async function losesPeers(job) {
  const bps = 1_000_000;
  const [plain, victim] = await pair(job, bps, [[0], [1], [2]]);
  await pause(15_000);
  const before = await seenBy(victim);
  const report = await victim.report();
  job.faulted = report.fromPeers > 0;
  assert.ok(report.fromPeers > 500_000, `peers gave only ${report.fromPeers} B: ${brief(report)}`);
  for (const seed of job.viewers.all.filter((v) => v.name.startsWith('level-'))) await seed.close();
  const lostAt = Date.now();
  const ceiling = CAP * Math.max(bps, rungs()[1]);
  const highest = Math.max(...before.samples.map((s) => s.estimate));
  job.note = `estimate at most ${mbit(highest)} Mb/s; levels ${course(before.loads)}`;
  assert.ok(highest <= ceiling, `ABR was told more than HTTP could replace: ${job.note}, expected at most ${mbit(ceiling)}`);
  await pause(13_000);
  await unharmed(job, plain, [victim]);
  const after = (await seenBy(victim)).loads.filter((l) => l.at >= lostAt);
  assert.ok(after.length >= 2, `only ${after.length} segments after the loss`);
  return `${job.note}, then ${course(after)}; plain ${course((await seenBy(plain)).loads)}`;
}

/** Peers hold the lowest rung, nobody holds the next, and HTTP cannot bear it. */
function noOscillation(job) {
  return oscillation(job, 450_000, 28_000);
}

async function oscillation(job, bps, ms) {
  const [plain, victim] = await pair(job, bps, [[0, 'a'], [0, 'b']]);
  await pause(ms);
  const { loads, samples } = await seenBy(victim);
  const report = await victim.report();
  const theirs = (await seenBy(plain)).loads;
  // What comes before the first neighbour is HLS.js finding its level.
  const settled = loads.slice(3);
  job.faulted = report.fromPeers > 0;
  job.note = `levels ${course(loads)}, plain ${course(theirs)}, estimate at most ${mbit(Math.max(...samples.slice(50).map((s) => s.estimate)))} Mb/s`;
  assert.ok(report.fromPeers > 200_000, `peers gave only ${report.fromPeers} B: ${brief(report)}`);
  assert.ok(turns(settled) <= Math.max(1, turns(theirs.slice(3))), `it swings between levels: ${job.note}`);
  await unharmed(job, plain, [victim]);
  return `${job.note}; ${Math.round(report.fromPeers / 1000)} kB from peers`;
}

/** The origin becomes slow in the middle of a segment: HLS.js must see it in our statistics as early as in its own. */
async function abandons(job) {
  const lines = await Promise.all(['plain', 'mesh'].map(() => open(job, { bps: BROADBAND })));
  const plain = await watched(job, 'plain', 'plain', lines[0]);
  const mesh = await watched(job, 'mesh', 'slowed', lines[1]);
  const viewers = [plain, mesh];
  for (const viewer of viewers) await onTop(viewer);
  await pause(3000);
  const slow = 350_000;
  const times = await Promise.all(viewers.map(async (viewer, i) => {
    const at = await lines[i].fallsDuring(TOP_SEGMENT, 150_000, slow);
    return steppedDown(viewer, at);
  }));
  job.faulted = true;
  const [theirs, ours] = times;
  job.note = `plain after ${theirs.ms} ms with ${theirs.ahead.toFixed(1)} s buffered, ours after ${ours.ms} ms with ${ours.ahead.toFixed(1)} s`;
  assert.equal((await mesh.report()).sdk.state, 'on', 'the mesh was not loading');
  // HLS.js looks every 100 ms; what it decides depends on its buffer, a little more or less of which is chance.
  const slack = 600 + 1000 * Math.max(0, ours.ahead - theirs.ahead);
  assert.ok(ours.ms <= theirs.ms + slack, `HLS.js stepped down later: ${job.note}`);
  await pause(4000);
  await quiet(viewers);
  return job.note;
}

/** Peers, store, HTTP and aborted loads in any order: no statistics and no estimate ever stop being numbers. */
async function staysANumber(job) {
  const line = await open(job, { bps: BROADBAND });
  const viewers = [];
  for (const [name, hls] of [['one', '1.7'], ['two', '1.6'], ['three', '1.5']]) {
    const viewer = await watched(job, 'mesh', name, line, { hls });
    await viewer.playing();
    viewers.push(viewer);
  }
  await pause(4000);
  for (let i = 0; i < 12; i += 1) {
    await Promise.all(viewers.map((viewer, v) => viewer.page.evaluate(disturb, i + v)));
    await pause(900);
  }
  await Promise.all(viewers.map((viewer) => viewer.page.evaluate(() => { window.viewer.hls.nextLevel = -1; })));
  await pause(3000);
  let stats = 0;
  let aborted = 0;
  for (const viewer of viewers) {
    const { odd } = await seenBy(viewer);
    assert.deepEqual(odd, [], `${viewer.name}: estimates that are no numbers`);
    stats += statsComplete(viewer.name, await viewer.fragments());
    aborted += viewer.requests.filter((r) => r.aborted).length;
  }
  const fromPeers = (await job.viewers.reports()).map((r) => r.fromPeers);
  assert.ok(fromPeers.some((bytes) => bytes > 0), 'nothing came from peers');
  await quiet(viewers);
  await bytesEqualOrigin(job.witness, viewers);
  return `${stats} statistics are numbers; ${fromPeers.map((b) => Math.round(b / 1000)).join('/')} kB from peers, ${aborted} requests aborted`;
}

/** Another level, a step back, loading stopped and begun again: in the page, by number. */
function disturb(i) {
  const { hls } = window.viewer;
  const video = document.querySelector('video');
  const { buffered } = video;
  if (i % 4 === 3) { hls.stopLoad(); hls.startLoad(); }
  else if (i % 4 === 1 && buffered.length) video.currentTime = Math.max(buffered.start(0) + 0.1, video.currentTime - 3);
  else hls.nextLevel = i % 3;
}

/** Two crowds of `count`, each behind one line of 20 Mb/s: which sees more of the top rung? */
async function topRung(job, count, ms, oneAfterTheOther = false) {
  const crowd = async (kind) => {
    const line = await open(job, { bps: BROADBAND });
    const viewers = [];
    for (let i = 0; i < count; i += 1) {
      viewers.push(await light(job, kind, `${kind}-${i + 1}`, line));
      await pause(800);
    }
    await Promise.all(viewers.map((viewer) => viewer.playing(20_000)));
    await pause(SETTLED_MS);
    const since = Date.now() + BUFFERED_MS;
    await Promise.all(viewers.map(beginAnew));
    await pause(BUFFERED_MS + ms);
    const seen = await Promise.all(viewers.map(seenBy));
    const reports = await Promise.all(viewers.map((v) => v.report()));
    for (const [i, { odd }] of seen.entries()) assert.deepEqual(odd, [], `${viewers[i].name}: estimates that are no numbers`);
    const shares = seen.map(({ samples }) => shareAt(samples, TOP_HEIGHT, since));
    await quiet(viewers);
    if (oneAfterTheOther) for (const viewer of viewers) await viewer.close();
    return {
      share: shares.reduce((a, b) => a + b, 0) / count, shares, bytes: line.bytes,
      stalls: reports.reduce((sum, r) => sum + r.stalls.ms, 0), peers: reports.reduce((sum, r) => sum + r.fromPeers, 0),
      courses: seen.map(({ loads }) => course(loads)),
    };
  };
  const [plain, mesh] = oneAfterTheOther ? [await crowd('plain'), await crowd('mesh')] : await Promise.all(['plain', 'mesh'].map(crowd));
  const tell = (c) => `${percent(c.share)} (${c.shares.map((s) => Math.round(s * 100)).join('/')}), ${Math.round(c.stalls)} ms stalled, ${(c.bytes / 1e6).toFixed(1)} MB over its line`;
  job.note = `plain ${tell(plain)}; mesh ${tell(mesh)}, ${(mesh.peers / 1e6).toFixed(1)} MB from peers`;
  assert.ok(mesh.peers > 0, `nothing came from peers: ${job.note}`);
  assert.ok(mesh.share >= plain.share - 0.05, `less of the top rung than plain HLS.js: ${job.note}; levels ${mesh.courses.join(' | ')} against ${plain.courses.join(' | ')}`);
  return { figures: { count, plain: plain.share, mesh: mesh.share }, text: job.note };
}

// ---- what the cases are made of

/** A line of this job, closed with it. */
async function open(job, options) {
  const line = await Line.open(job.proxy.url, options);
  job.onClose(() => line.close());
  return line;
}

function watched(job, kind, name, line, query = {}) {
  return job[kind](name, query, { base: line?.url, faults: [watchesLevels] });
}

/** Pages that start at once on two cores measure each other; what they measured then is forgotten. */
function beginAnew(viewer) {
  return viewer.page.evaluate(() => { window.viewer.hls.bandwidthEstimate = 500_000; });
}

/** One that costs little: nothing is hashed, no segment is kept account of. */
function light(job, kind, name, line) {
  return job.viewers.open(name, { mode: kind === 'plain' ? 'plain' : 'serve' }, { base: line.url, faults: [watchesLevels] });
}

/** A viewer near the origin who stays on one level. */
async function pinned(job, level, name = level) {
  const seed = await watched(job, 'mesh', `level-${name}`, null, { hash: 0 });
  await pin(seed, level);
  return seed;
}

/** Peers, then plain HLS.js and a viewer on the mesh, each on a line of its own. */
async function pair(job, bps, peers) {
  await Promise.all(peers.map((each) => pinned(job, ...each)));
  await pause(4000);
  const viewers = await Promise.all(['plain', 'mesh'].map(async (kind) => watched(job, kind, kind === 'plain' ? 'plain' : 'victim', await open(job, { bps }))));
  for (const viewer of viewers) await viewer.playing(20_000);
  return viewers;
}

async function onTop(viewer) {
  await viewer.until('the top rung on the screen', (r) => r.height >= TOP_HEIGHT, 25_000);
}

/** When HLS.js gave up the segment of the top rung, in milliseconds after `at`, and what was buffered at `at`. */
async function steppedDown(viewer, at) {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    const { emergencies, loads, samples } = await seenBy(viewer);
    const down = [...emergencies, ...loads.filter((l) => l.level < 2)].filter((e) => e.at > at).sort((a, b) => a.at - b.at)[0];
    const then = samples.filter((s) => s.at <= at).at(-1);
    if (down) return { ms: Math.round(down.at - at), ahead: then?.ahead ?? 0 };
    await pause(100);
  }
  throw new Error(`${viewer.name} never stepped down: ${brief(await viewer.report())}`);
}

async function unharmed(job, plain, viewers) {
  noWorseThan(await plain.report(), await Promise.all(viewers.map((v) => v.report())));
  await bytesEqualOrigin(job.witness, viewers);
  for (const viewer of viewers) {
    statsComplete(viewer.name, await viewer.fragments());
    assert.deepEqual((await seenBy(viewer)).odd, [], `${viewer.name}: estimates that are no numbers`);
  }
  await quiet(viewers);
}

function mbit(bps) {
  return (bps / 1e6).toFixed(2);
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}
