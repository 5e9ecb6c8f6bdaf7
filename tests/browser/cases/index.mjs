// All cases, in the order in which they run: the long ones first, so that the pool ends evenly.

import { cases as harness } from './harness.mjs';

const ALL = [...harness];

export function find(name) {
  const found = ALL.find((each) => each.name === name);
  if (!found) throw new Error(`no case "${name}"; --list names them`);
  return found;
}

export const all = ALL;
