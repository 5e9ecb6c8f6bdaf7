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
import { cases as page } from './page.mjs';
import { cases as passing } from './passing.mjs';
import { cases as playback } from './playback.mjs';
import { cases as startup } from './startup.mjs';

/** Each: `{name, limitMs, run(job)}`; `mutant`: the defence whose absence must turn it red; `alone`: it measures, and has the machine to itself; `media()`: the folder to play, if not the demo's; `aside`: only a figure, runs with `--results` or by name. */
export const all = [...abr, ...playback, ...cost, ...startup, ...origin, ...network, ...faultyPages, ...edge, ...peers, ...faults, ...passing, ...life, ...page, ...harness];

export function find(name) {
  const found = all.find((each) => each.name === name);
  if (!found) throw new Error(`no case "${name}"; --list names them`);
  return found;
}
