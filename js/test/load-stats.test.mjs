import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { keepEstimateFinite, newStats, tellAtRate, tellFirst, tellMeasured, tellProgress } = await load('load-stats');

/** What HLS.js makes of a finished load: milliseconds of transfer and the bits per second they mean. */
function sample(stats, ttfbEstimate = 100) {
  const { start, first, end } = stats.loading;
  const ms = end - start - Math.min(first - start, ttfbEstimate);
  return { ms, bps: (stats.loaded * 8000) / ms };
}

function inOrder(stats) {
  const { start, first, end } = stats.loading;
  for (const n of [start, first, end, stats.loaded, stats.total, stats.bwEstimate]) assert.ok(Number.isFinite(n), String(n));
  assert.ok(0 < start && start <= first && first <= end, `${start} ${first} ${end}`);
}

test('HTTP alone is told as measured', () => {
  const stats = newStats();
  tellMeasured(stats, 5000, 1_000_000, 3000, 3100);
  assert.deepEqual(stats.loading, { start: 3000, first: 3100, end: 5000 });
  assert.equal(stats.loaded, 1_000_000);
  inOrder(stats);
});

test('a second of waiting for peers before HTTP is not held against the network', () => {
  const stats = newStats();
  stats.loading.start = 2000;
  tellMeasured(stats, 5000, 1_000_000, 3000, 2500);
  assert.equal(stats.loading.start, 3000);
  assert.ok(Math.abs(sample(stats).bps - 4e6) < 1);
});

test('peers and store are told at the given rate, whatever the clock says', () => {
  for (const bytes of [1, 100_000, 5_000_000]) {
    const stats = newStats();
    stats.loading.start = 90_000;
    tellAtRate(stats, 90_005, bytes, 5e6, 40);
    assert.ok(Math.abs(sample(stats).bps / 5e6 - 1) < 1e-6, `${bytes} bytes: ${sample(stats).bps}`);
    inOrder(stats);
  }
});

test('never NaN, never out of order, whatever is put in', () => {
  for (const rate of [5e6, 0, NaN, Infinity, -1]) {
    for (const ttfb of [0, 40, NaN, -5, 1e9]) {
      for (const now of [1, 5, 1e6]) {
        const stats = newStats();
        stats.loading.start = Math.min(0.5, now);
        stats.loading.first = Math.min(0.7, now);
        tellAtRate(stats, now, 1000, rate, ttfb);
        inOrder(stats);
      }
    }
  }
  const late = newStats();
  tellMeasured(late, 10, 1000, 20, 0);
  inOrder(late);
});

test('progress is monotonic, marks the first byte once, and never looks finished', () => {
  const stats = newStats();
  stats.loading.start = 100;
  tellProgress(stats, 90, 10, null);
  assert.equal(stats.loading.first, 100, 'never before the start');
  tellProgress(stats, 200, 500, 1000);
  tellProgress(stats, 300, 400, 1000);
  assert.deepEqual([stats.loaded, stats.total, stats.loading.first], [500, 1000, 100]);
  tellProgress(stats, 400, 1000, 1000);
  assert.equal(stats.loaded, 999);
  tellFirst(stats, 500);
  assert.equal(stats.loading.first, 100);
});

test('the length of a coded body is no length: the count goes on without a total', () => {
  const stats = newStats();
  stats.loading.start = 100;
  tellProgress(stats, 200, 900, 1000);
  tellProgress(stats, 300, 1500, 1000);
  tellProgress(stats, 400, 2500, 1000);
  assert.deepEqual([stats.loaded, stats.total], [2500, 0]);
});

test('a transfer that a coarse clock rounds to nothing leaves a finite estimate', () => {
  const stats = newStats();
  stats.bwEstimate = Infinity;
  keepEstimateFinite(stats, 1000);
  assert.equal(stats.bwEstimate, 8_000_000);
  stats.bwEstimate = 5;
  keepEstimateFinite(stats, 1000);
  assert.equal(stats.bwEstimate, 5);
});
