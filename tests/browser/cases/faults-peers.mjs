// Faults of peers: what some of them do wrong costs their neighbours neither a stall nor a false byte, the main thread
// stays free, and the others go on being used.

import assert from 'node:assert/strict';
import { badPeer } from '../lib/bad-peer.mjs';
import { countsHandles, nothingOpen } from '../lib/handles.mjs';
import { GAP_MS, calm, fault, happened, morePeerBytes, unharmed } from '../lib/faults.mjs';
import { closesMidway, countsLongTasks, flipsBytes } from '../lib/in-page.mjs';
import { brief, pause } from '../lib/viewers.mjs';

export const cases = [
  crowded('peers-corrupt', 'accept-unverified', corrupt),
  crowded('peers-keep-waiting', 'endless-patience,wait-for-peers,no-takeover', keepWaiting),
  crowded('peers-babble', 'no-budgets', babble),
  crowded('peers-flood', 'no-budgets', flood),
  fault('peer-flips-bytes', 'accept-unverified', (job) => peerFlips(job, '1.7')),
  fault('peer-flips-bytes-1.5', 'accept-unverified', (job) => peerFlips(job, '1.5')),
  fault('peer-closes-midway', 'wait-for-peers,no-takeover', (job) => peerCloses(job, '1.7')),
  fault('peer-closes-midway-1.6', 'wait-for-peers,no-takeover', (job) => peerCloses(job, '1.6')),
];

/** Seven or eight viewers are all that two cores bear: such a case has the machine to itself. */
function crowded(...words) {
  return { ...fault(...words), alone: true };
}

const WATCHED = [countsHandles, countsLongTasks];
const TOLERATED = new Set(['unknown', 'sequences']);

/** Whole lies instead of media: cut short, drawn out, from elsewhere in the stream. */
async function corrupt(job) {
  const { bad, good, victim } = await among(job, ['truncates', 'appends', 'substitutes']);
  await mischief(job, bad, 10_000);
  const caught = (await victim.report()).sdk.mesh.verifyFailures;
  const text = await goesOn(job, bad, good, victim);
  assert.ok(caught > 0 || await closedBy(victim), 'the victim noticed nothing');
  return text;
}

/** Promises, and less than nothing: half a fragment, a thousand bytes a second, everything announced, everything refused. */
async function keepWaiting(job) {
  const { bad, good, victim } = await among(job, ['stalls', 'trickles', 'boasts', 'rejects']);
  await mischief(job, bad, 12_000);
  return goesOn(job, bad, good, victim);
}

/** Frames that are none, or tell of what cannot be. */
async function babble(job) {
  const { bad, good, victim } = await among(job, ['garbage', 'varints', 'hugeframe', 'forged', 'unknown', 'sequences']);
  await mischief(job, bad, 6000);
  await dropped(bad, victim);
  return goesOn(job, bad, good, victim);
}

/** Too much of everything. */
async function flood(job) {
  const { bad, good, victim } = await among(job, ['frames', 'lists', 'deltas', 'strays', 'text', 'channels']);
  await mischief(job, bad, 6000);
  await dropped(bad, victim);
  return goesOn(job, bad, good, victim);
}

/**
 * Plain HLS.js, a good peer, bad ones, and a victim, who sends nothing itself and so is never elected to fetch. The bad
 * ones are there before it.
 */
async function among(job, kinds) {
  await job.plain('plain', {}, { faults: WATCHED });
  const good = await job.mesh('good', {}, { faults: WATCHED });
  const bad = [];
  for (const kind of kinds) bad.push(await job.mesh(kind, {}, { faults: [[badPeer, kind]] }));
  await pause(GAP_MS);
  const victim = await job.mesh('victim', { upload: 0 }, { faults: WATCHED });
  return { bad, good, victim };
}

/** Waits until each bad peer has done what it is named for, and then for a while. */
async function mischief(job, bad, thenMs) {
  for (const viewer of bad) {
    await viewer.until('its mischief', async () => (await viewer.fault()).done > 0, 15_000);
    happened(job, true, '');
  }
  await pause(thenMs);
}

async function goesOn(job, bad, good, victim) {
  const had = (await victim.report()).fromPeers;
  await morePeerBytes([victim], had, 10_000);
  const judged = [good, victim];
  const text = await told(bad, victim);
  await calm(job, judged);
  await unharmed(job, judged);
  await nothingOpen([job.viewers.named('plain'), ...judged]);
  return text;
}

/** What is dropped, is dropped within this time; a machine that is busy reads its messages late. */
const DROPPED_MS = 8000;

/** Nobody keeps a neighbour that floods or says what is no frame; who only speaks of the future, or nonsense, may stay. */
async function dropped(bad, victim) {
  for (const viewer of bad) {
    const r = await viewer.report();
    assert.ok(r.sdk?.mesh?.connects > 0, `${viewer.name} never met anybody: ${brief(r)}`);
    // Who has a list from elsewhere does not look at the forged one, so it depends on who was first.
    if (viewer.name === 'forged') continue;
    if (TOLERATED.has(viewer.name)) assert.ok(r.sdk.mesh.peers > 0, `${viewer.name} was dropped, though it did no harm: ${brief(r)}`);
    else await viewer.until('the end of its last connection', ({ sdk }) => sdk.mesh.peers === 0, DROPPED_MS);
  }
  assert.ok(await closedBy(victim), 'the victim closed nobody');
}

async function closedBy(viewer) {
  return (await viewer.report()).warnings.some(({ code }) => code === 'peer-closed');
}

async function told(bad, victim) {
  const did = await Promise.all(bad.map(async (viewer) => `${viewer.name} ${(await viewer.fault()).done}`));
  return `${did.join(', ')}; the victim: ${(await victim.report()).fromPeers} B from peers`;
}

async function peerFlips(job, version) {
  const { bad, victim } = await oneBad(job, version, flipsBytes);
  await bad.until('a flipped message', async () => (await bad.fault()).flipped > 0, 12_000);
  await pause(6000);
  const { flipped } = await bad.fault();
  happened(job, flipped > 0, 'no byte was flipped');
  await unharmed(job);
  return `${flipped} messages flipped; the victim: ${(await victim.report()).fromPeers} B from peers`;
}

async function peerCloses(job, version) {
  const { bad } = await oneBad(job, version, closesMidway);
  await bad.until('a connection closed midway', async () => (await bad.fault()).closed > 0, 12_000);
  await pause(7000);
  const { begun, closed } = await bad.fault();
  happened(job, begun > 0 && closed > 0, `transfers begun ${begun}, connections closed ${closed}`);
  await unharmed(job);
  return `${begun} transfers begun and not ended, ${closed} connections closed`;
}

/** One bad peer, one victim who joins later and, sending nothing itself, is never elected to fetch; plain HLS.js beside them. */
async function oneBad(job, version, hook) {
  await job.plain('plain', { hls: version });
  const bad = await job.mesh('bad-peer', { hls: version }, { faults: [hook] });
  await pause(GAP_MS);
  const victim = await job.mesh('victim', { hls: version, upload: 0 });
  return { bad, victim };
}
