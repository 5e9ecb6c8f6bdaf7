import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figures, mainPerMb, median } from './measures.mjs';

const url = (n) => `http://o/live/x/v/seg_${n}.m4s`;
const line = (n, bytes, t) => ({ path: `/live/x/v/seg_${n}.m4s`, bytes, t });

/** Two viewers; segment 1 came early, 2 is warm, 3 reached one of them only. */
function result() {
  const viewer = (name, got, startupMs) => ({
    name, victim: false, worker: true, stayed: true, pageErrors: [], signaling: { bytes: 100 }, wasmBytes: 0, heap: null,
    report: { startupMs, stalls: { count: 0, ms: 0 }, playedSeconds: 9, wallSeconds: 10, errors: [], sdk: null },
    bodies: got.map(([n, at]) => ({ url: url(n), bytes: 1000, at, ms: 40 })),
    bench: { firstPeerByteAt: 700, sources: [{ url: url(2), peers: name === 'b' ? 1000 : 0, http: name === 'b' ? 0 : 1000 }] },
    looks: [{ at: 250, latency: 12 }], marks: [{ at: 0, taskS: 1 }, { at: 10_000, taskS: 2 }], carried: { in: name === 'b' ? 1100 : 0, out: 0 },
  });
  return {
    mode: 'live-short', viewers: 2, product: 'p2pml', fault: null, warmAt: 200, lists: [],
    media: [line(1, 1000, 1), line(1, 1000, 2), line(2, 1000, 210), line(2, 500, 220), line(3, 1000, 300)],
    watched: [viewer('a', [[1, 100], [2, 230], [3, 310]], 500), viewer('b', [[1, 110], [2, 240]], 700)],
  };
}

test('warm counts whole segments that reached all, with every byte the origin sent of them', () => {
  const f = figures(result());
  assert.equal(f.warmSegments, 1);
  assert.equal(f.copies, 1.5);
  assert.equal(f.warm, 1 - 1500 / 2000);
  assert.equal(f.whole, 1 - 4500 / 5000);
  assert.ok(Math.abs(f.moved - (4500 + 1100 - 5000) / 5000) < 1e-9);
});

test('who vanished is not waited for, and a victim is not judged', () => {
  const gone = result();
  gone.watched[1].stayed = false;
  assert.equal(figures(gone).warmSegments, 2);
  const victim = result();
  Object.assign(victim.watched[0], { victim: true });
  victim.watched[0].report.stalls = { count: 3, ms: 9000 };
  assert.equal(figures(victim).stalls, 0);
});

test('playback, peers and main thread', () => {
  const f = figures(result());
  assert.deepEqual([f.startup, f.startupWorst, f.latency, f.segmentMs, f.firstPeerByte], [600, 700, 12, 40, 700]);
  assert.equal(f.warmPeerBytes, 1000);
  const much = { ...f, warmPeerBytes: 4e6 };
  assert.equal(mainPerMb(much, { mainNoWorker: 0.05, mainWorker: 0.09, main: 0.07 }), (1000 * (2 - 0.05 * 20)) / 4);
  assert.equal(mainPerMb(f, { main: 0.05 }), null);
});

test('a median of none is none', () => {
  assert.equal(median([]), null);
  assert.equal(median([3, 1, 2, 10]), 2.5);
});
