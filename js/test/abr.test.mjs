// What HLS.js's own bandwidth estimator makes of the statistics we report, release by release.
//
// Every story begins with ten honest segments of 1 MB at 5.0 Mb/s. Told as it happened, what follows would push the
// estimate far away: twenty hits in the store to 21 Mb/s, three waits of 4 s for a peer to 2 Mb/s, any NaN to NaN for good.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';
import { load } from './load.mjs';

const { newStats, tellAtRate, tellFirst, tellMeasured, tellProgress } = await load('load-stats');

const MEGABYTE = 1_000_000;
const HTTP_BPS = 5_000_000;
const HTTP_TTFB_MS = 30;
/** The core reports at most so much of what HTTP could replace. */
const CAP_BPS = 1.5 * HTTP_BPS;

/** HLS.js's class, from the sources that its package carries. */
async function estimatorOf(folder) {
  const entry = fileURLToPath(new URL(`../../node_modules/${folder}/src/utils/ewma-bandwidth-estimator.ts`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: 'esm', write: false });
  return (await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`)).default;
}

/** The part of HLS.js's AbrController that turns finished loads into samples. */
class Player {
  constructor(Estimator) {
    this.bandwidth = new Estimator(9, 3, 500_000, 100);
    this.now = 120_000;
  }
  get estimate() { return this.bandwidth.getEstimate(); }
  /** A load that began `waited` ms ago; `tell` writes its end. */
  take(waited, tell) {
    const stats = newStats();
    this.now += 4000;
    stats.loading.start = this.now - waited;
    tell(stats, this.now);
    const { start, first } = stats.loading;
    // As onFragLoaded and onFragBuffered do, with a parse time of 3 ms.
    this.bandwidth.sampleTTFB(first - start);
    this.bandwidth.sample(stats.loading.end + 3 - start - Math.min(first - start, this.bandwidth.getEstimateTTFB()), stats.loaded);
  }
  http(bps = HTTP_BPS) {
    const ms = (MEGABYTE * 8000) / bps;
    this.take(ms + HTTP_TTFB_MS, (stats, now) => tellMeasured(stats, now, MEGABYTE, stats.loading.start, now - ms));
  }
  /** From peers or store: at once, or after a wait; `bps` is what the core reports. */
  mesh(bps, waited = 5) {
    this.take(waited, (stats, now) => {
      tellProgress(stats, now - Math.min(waited, 2), MEGABYTE / 2, MEGABYTE);
      tellAtRate(stats, now, MEGABYTE, bps, HTTP_TTFB_MS);
    });
  }
}

for (const folder of ['hls.js-1.5', 'hls.js-1.6', 'hls.js']) {
  const Estimator = await estimatorOf(folder);
  const settled = () => {
    const player = new Player(Estimator);
    for (let i = 0; i < 10; i += 1) player.http();
    within(player.estimate, 4.9e6, 5.1e6, 'ten honest segments');
    return player;
  };

  test(`${folder}: a hit in the store, and twenty of them, leave the estimate where it is`, () => {
    const player = settled();
    for (let i = 0; i < 20; i += 1) {
      player.mesh(HTTP_BPS);
      within(player.estimate, 4.9e6, 5.1e6, `hit ${i}`);
    }
  });

  test(`${folder}: fast peers lift the estimate to the cap and no further`, () => {
    const player = settled();
    for (let i = 0; i < 100; i += 1) player.mesh(CAP_BPS);
    within(player.estimate, 1.4 * HTTP_BPS, 1.5 * HTTP_BPS, 'a hundred segments from peers');
  });

  test(`${folder}: three segments that waited 4 s for a peer do not count as a slow network`, () => {
    const player = settled();
    for (let i = 0; i < 3; i += 1) player.mesh(CAP_BPS, 4000);
    within(player.estimate, 5e6, CAP_BPS, 'three waits');
    // Peers as slow as they were are told as slow.
    for (let i = 0; i < 10; i += 1) player.mesh(2_000_000, 4000);
    within(player.estimate, 1.9e6, 2.3e6, 'slow peers');
  });

  test(`${folder}: a session whose first sample is a hit in the store begins where HLS.js would`, () => {
    const player = new Player(Estimator);
    // HTTP unknown: the core leaves it to the player's own estimate, which is HLS.js's default.
    player.mesh(player.estimate);
    within(player.estimate, 0.49e6, 0.51e6, 'first of the session');
    const known = new Player(Estimator);
    known.mesh(HTTP_BPS);
    within(known.estimate, 4.9e6, 5.1e6, 'HTTP known');
  });

  test(`${folder}: when all peers are lost the estimate falls to what HTTP gives within three segments`, () => {
    const player = settled();
    for (let i = 0; i < 20; i += 1) player.mesh(CAP_BPS);
    for (let i = 0; i < 3; i += 1) player.http();
    within(player.estimate, 4.9e6, 1.2 * HTTP_BPS, 'three segments over HTTP');
  });

  test(`${folder}: whatever mixes, the estimate stays a number within the rates that were told`, () => {
    const player = settled();
    let random = 7;
    const pick = (values) => values[(random = (random * 48_271) % 2_147_483_647) % values.length];
    for (let i = 0; i < 500; i += 1) {
      const bps = pick([HTTP_BPS, CAP_BPS, 1_000_000]);
      const waited = pick([0, 1, 5, 400, 4000]);
      if (pick([0, 1, 2]) === 0) player.http(bps);
      else if (pick([0, 1, 2, 3]) === 0) player.take(waited, (stats, now) => { tellFirst(stats, now); tellAtRate(stats, now, 1, bps, NaN); });
      else player.mesh(bps, waited);
      // A sample of one byte takes no time and weighs nothing, in any release.
      within(player.estimate, 0.5e6, 1.05 * CAP_BPS, `step ${i}`);
    }
  });
}

function within(value, low, high, what) {
  assert.ok(Number.isFinite(value) && value >= low && value <= high, `${what}: ${(value / 1e6).toFixed(2)} Mb/s, expected ${low / 1e6} to ${high / 1e6}`);
}
