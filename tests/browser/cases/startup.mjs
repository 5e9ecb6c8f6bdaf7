// Startup against plain HLS.js: five pairs, alternately first, beside a viewer who already watches. A benchmark: its
// milliseconds are for `--results` and for who asks by name, not for a verdict on a machine that others use.

import assert from 'node:assert/strict';
import { pause } from '../lib/viewers.mjs';

const PAIRS = 5;
const MORE_MS = 100; // what the mesh may cost: median and worst of five pairs

export const cases = [
  { name: 'startup-vs-plain', alone: true, aside: true, limitMs: 90_000, run: startup },
];

async function startup(job) {
  const first = await job.mesh('already-there', { hash: 0, frags: 0 });
  await first.playing();
  await pause(6000);
  await one(job, 'plain', 'warm-up');
  await one(job, 'mesh', 'warm-up-too');
  const times = { plain: [], mesh: [] };
  for (let pair = 0; pair < PAIRS; pair += 1) {
    for (const kind of pair % 2 ? ['mesh', 'plain'] : ['plain', 'mesh']) times[kind].push(await one(job, kind, `${kind}-${pair}`));
  }
  const [plain, mesh] = [summary(times.plain), summary(times.mesh)];
  const text = `plain median ${plain.median} worst ${plain.worst} ms, mesh median ${mesh.median} worst ${mesh.worst} ms`;
  assert.ok(mesh.median <= plain.median + MORE_MS, `median more than ${MORE_MS} ms later: ${text}`);
  assert.ok(mesh.worst <= plain.worst + MORE_MS, `worst more than ${MORE_MS} ms later: ${text}`);
  return { figures: { plain, mesh }, text };
}

async function one(job, kind, name) {
  const viewer = kind === 'plain' ? await job.plain(name) : await job.mesh(name);
  const { startupMs } = await viewer.playing();
  await pause(1500);
  await viewer.close();
  return Math.round(startupMs);
}

function summary(times) {
  const sorted = [...times].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], worst: sorted.at(-1), all: times };
}
