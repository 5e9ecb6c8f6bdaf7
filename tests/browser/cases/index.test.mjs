// Which cases every change must pass.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATE, MOST_IN_GATE, all, find, inGate } from './index.mjs';

const KINDS = ['playback', 'abr', 'cost', 'origin', 'network', 'page', 'edge', 'peers', 'lists', 'life'];

test('the gate has a case of every kind, each of which exists and can fail', () => {
  assert.deepEqual(Object.keys(GATE), KINDS);
  for (const [kind, names] of Object.entries(GATE)) {
    assert.ok(names.length > 0, `no case for ${kind}`);
    for (const name of names) assert.ok(!find(name).aside, `${name} is only a figure`);
  }
});

test('the gate stays short, and no name stands twice', () => {
  const names = all.map((each) => each.name);
  assert.equal(new Set(names).size, names.length);
  assert.ok(all.filter(inGate).length <= MOST_IN_GATE, `${all.filter(inGate).length} cases in the gate: move one to the long run`);
});
