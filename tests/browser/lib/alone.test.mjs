// What the runners make of cases that failed in company.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeAlone, verdict } from './alone.mjs';

const good = (result) => result.ok;
const tell = () => {};
const ok = (name) => ({ name, ok: true });
const bad = (name) => ({ name, ok: false });

async function judged(results, again, atMost = 6) {
  const ran = [];
  await judgeAlone(results, { run: async (name) => { ran.push(name); return { name, ok: again[name]?.shift() ?? false }; }, tell, good, atMost });
  return { ran, ...verdict(results, good) };
}

test('what failed in company gets two runs alone, and is told if one of them passes', async () => {
  const { ran, passed, failed, lines } = await judged([ok('a'), bad('b')], { b: [false, true] });
  assert.deepEqual([ran, passed, failed], [['b', 'b'], 2, 0]);
  assert.deepEqual(lines, ['1 of them only alone: b', '2 passed, 0 failed']);
});

test('what fails alone, too, has failed', async () => {
  const { ran, passed, failed, lines } = await judged([ok('a'), bad('b')], {});
  assert.deepEqual([ran, passed, failed], [['b', 'b'], 1, 1]);
  assert.deepEqual(lines, ['0 of them only alone', '1 passed, 1 failed']);
});

test('a second case that passes only alone is no luck any more: both have failed', async () => {
  const { passed, failed, lines } = await judged([ok('a'), bad('b'), bad('c')], { b: [true], c: [true] });
  assert.deepEqual([passed, failed], [1, 2]);
  assert.deepEqual(lines.slice(1), ['2 of them only alone: b, c', '1 passed, 2 failed']);
  assert.match(lines[0], /^FAIL more than 1 passed only alone/);
});

test('many failures at once are not run again', async () => {
  const { ran, failed } = await judged([bad('a'), bad('b'), ok('c')], { a: [true], b: [true] }, 1);
  assert.deepEqual([ran, failed], [[], 2]);
});
