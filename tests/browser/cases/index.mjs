// All cases, the long ones first, so that the pool ends evenly.

import { cases as abr } from './abr.mjs';
import { cases as edge } from './faults-edge.mjs';
import { cases as network } from './faults-network.mjs';
import { cases as origin } from './faults-origin.mjs';
import { cases as faultyPages } from './faults-page.mjs';
import { cases as peers } from './faults-peers.mjs';
import { cases as cost } from '../cost/cases.mjs';
import { cases as faults } from './faults.mjs';
import { cases as harness } from './harness.mjs';
import { cases as life } from './life.mjs';
import { cases as loops } from './loops.mjs';
import { cases as page } from './page.mjs';
import { cases as passing } from './passing.mjs';
import { cases as playback } from './playback.mjs';
import { cases as startup } from './startup.mjs';

/**
 * What every change must pass, by what it is about: at least one case of each kind of fault, the fewest that would notice
 * each defence missing, at most MOST_IN_GATE, some ten minutes on two cores. The rest is run by `--long`, before a
 * release and after work on what it is about. Moved there: what another case, the simulator or the contract suite finds
 * as well (statuses and ranges of the origin, forged lists, a missing module), further versions of one fault, crowds that
 * have two cores to themselves (floods, edges of seven kinds), and whatever judges by the milliseconds of this machine
 * (how soon ABR steps down, how long a stall is that the harness makes itself). A new case is long unless it is named here.
 */
export const GATE = {
  playback: ['playback-1.7', 'playback-1.6', 'playback-1.5', 'snippet-1.5', 'snippet-1.6', 'shared-loader-1.7', 'keys-and-steering-pass', 'demo-page'],
  abr: ['abr-loses-peers'],
  cost: ['copies'],
  origin: ['origin-hangs', 'origin-lengths'],
  network: ['offline-and-back'],
  page: ['page-poor', 'page-two-copies'],
  edge: ['edge-lies', 'edge-killed-and-back'],
  peers: ['peers-corrupt', 'peer-flips-bytes-1.5', 'peer-closes-midway-1.6'],
  lists: ['list-wrong-key'],
  life: ['core-cannot-start', 'core-trapped', 'consent-asked', 'doors-closed'],
};
export const MOST_IN_GATE = 25;

const gate = new Set(Object.values(GATE).flat());

/**
 * Each: `{name, limitMs, run(job)}`; `mutant`: the defence whose absence must turn it red; `alone`: it measures, and has
 * the machine to itself; `media()`: the folder to play, if not the demo's; `aside`: only a figure, runs with `--results`
 * or by name.
 */
export const all = [...abr, ...playback, ...cost, ...startup, ...origin, ...network, ...faultyPages, ...edge, ...peers, ...faults, ...passing, ...life, ...loops, ...page, ...harness];

/** Does `cargo xtask test` run it? */
export function inGate(each) { return gate.has(each.name); }

export function find(name) {
  const found = all.find((each) => each.name === name);
  if (!found) throw new Error(`no case "${name}"; --list names them`);
  return found;
}
