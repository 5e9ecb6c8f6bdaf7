// What the mesh costs a page: copies, crossings into wasm, memory over thousands of segments, long tasks, seeks.
// What is judged by the clock of this machine decides nothing in `cargo xtask test`; it and the long forms are asked for
// by name: `node tests/browser/e2e.mjs --only tasks,tasks-slow-cpu,soak-long,seek-vs-plain`.

import { copies } from './copies.mjs';
import { seek } from './seek.mjs';
import { soak } from './soak.mjs';
import { tasks } from './tasks.mjs';

export const cases = [
  { name: 'soak-short', limitMs: 60_000, run: (job) => soak(job, { viewers: 2, seconds: 22, warmSeconds: 10, growth: 4 * 65_536 }) },
  { name: 'soak-long', alone: true, aside: true, limitMs: 460_000, run: (job) => soak(job, { viewers: 3, seconds: 380, warmSeconds: 120, growth: 0 }) },
  { name: 'copies', limitMs: 75_000, run: copies },
  { name: 'tasks', alone: true, aside: true, limitMs: 60_000, run: (job) => tasks(job, { seconds: 16, slower: 1 }) },
  { name: 'tasks-slow-cpu', alone: true, aside: true, limitMs: 120_000, run: (job) => tasks(job, { seconds: 40, slower: 4 }) },
  { name: 'seek-vs-plain', alone: true, aside: true, limitMs: 120_000, run: seek },
];
