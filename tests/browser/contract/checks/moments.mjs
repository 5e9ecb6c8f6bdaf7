// abort() and destroy() at every moment. HLS.js's own loader says what must be called back.
import assert from 'node:assert/strict';

import { LINES, check } from '../check.mjs';
import { SEGMENT } from '../expect.mjs';

const act = (at, ...what) => what.map((name) => ({ at, do: name }));
const MOMENTS = {
  'abort before load()': [act('before', 'abort'), ['success']],
  'destroy before the first byte': [act('start', 'destroy'), []],
  'abort before the first byte': [act('start', 'abort'), ['abort']],
  'abort twice': [act('start', 'abort', 'abort'), ['abort']],
  'abort, then destroy, then both again': [act('start', 'abort', 'destroy', 'abort', 'destroy'), ['abort']],
  'destroy, then abort': [act('start', 'destroy', 'abort'), []],
  'abort in the next task': [act(0, 'abort'), ['abort']],
  'destroy in the next task': [act(0, 'destroy'), []],
  'abort in the middle of the body': [act(150, 'abort'), ['abort']],
  'destroy in the middle of the body': [act(150, 'destroy'), []],
  'abort late': [[...act(60, 'abort'), ...act(160, 'abort', 'destroy')], ['abort']],
  'destroy inside the terminal callback': [act('terminal', 'destroy', 'destroy'), ['success']],
  'abort after destroy inside the terminal callback': [act('terminal', 'destroy', 'abort'), ['success']],
  'abort and destroy after success': [act('after', 'abort', 'destroy', 'abort'), ['success']],
};

export default Object.entries(MOMENTS).map(([name, [acts, wanted]]) => check(`moments: ${name}`, {
  on: LINES,
  broken: brokenFor(name),
}, async (t) => {
  for (const [kind, sn] of [['media', 1], ['init', 1], ['part', 2]]) {
    const seen = await t.request({ path: `${SEGMENT}?slow=40&drip=60`, kind, sn, acts, forMs: wanted.length ? 1500 : 450 });
    assert.equal(seen.threw, '', 'load() threw');
    assert.deepEqual(seen.terminal.map((c) => c.name), wanted, `called back (${kind})`);
    if (wanted[0] === 'abort') assert.equal(seen.final.aborted, true, 'stats.aborted');
    if (wanted[0] === 'success') assert.equal(seen.final.aborted, false, 'stats.aborted');
  }
}));

function brokenFor(name) {
  if (name === 'abort before load()') return { 'abort-throws-unloaded': /nothing to abort/ };
  if (/^destroy (before|in)/.test(name) && !/terminal/.test(name)) return { 'destroy-does-nothing': /called back/ };
  if (name === 'destroy, then abort') return { 'destroy-does-nothing': /called back/ };
  if (/^abort (before|twice|in|late)|^abort,/.test(name)) return { 'abort-silent': /called back/ };
  return { 'second-terminal': /called back/ };
}
