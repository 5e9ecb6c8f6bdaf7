// Lives of players: several on a page, changes of source, recoveries, ends in the middle.
import assert from 'node:assert/strict';

import { LINES, NEWEST, SINCE_1_6, player } from '../check.mjs';
import { mediaOf } from '../expect.mjs';

const evaluate = (t, fn, ...more) => t.page.evaluate(fn, [{ way: t.way, base: t.base }, ...more]);

export default [
  player('players: two streams on a page', { on: LINES, broken: { 'one-at-a-time': /errors|nothing/ } }, async (t) => {
    const seen = await evaluate(t, async ([{ way, base }]) => {
      const both = ['/m/one.m3u8', '/m/master.m3u8'].map((path, video) => lab.player({ way, url: base + path, video }));
      await Promise.all(both.map((p) => lab.toEnd(p)));
      return Promise.all(both.map((p) => p.destroy()));
    });
    for (const { errors, ended, badStats } of seen) assert.deepEqual([errors, ended, badStats], [[], true, []], 'errors, ended, statistics');
  }),

  player('players: one stream twice', { on: LINES, broken: { 'one-at-a-time': /errors|nothing/ } }, async (t) => {
    const seen = await evaluate(t, async ([{ way, base }]) => {
      const both = [0, 1].map((video) => lab.player({ way, url: `${base}/m/one.m3u8`, video, more: { enableWorker: true } }));
      await Promise.all(both.map((p) => lab.toEnd(p)));
      return Promise.all(both.map((p) => p.destroy()));
    });
    for (const { errors, ended, badStats } of seen) assert.deepEqual([errors, ended, badStats], [[], true, []], 'errors, ended, statistics');
  }),

  player('players: one of two leaves in the middle of a segment', { broken: { 'one-at-a-time': /errors|nothing/ } }, async (t) => {
    const seen = await evaluate(t, async ([{ way, base }]) => {
      const [stays, leaves] = [0, 1].map((video) => lab.player({ way, url: `${base}/m/one.m3u8`, video }));
      leaves.hls.on('hlsFragLoading', () => setTimeout(() => leaves.hls.destroy(), 1));
      await lab.toEnd(stays);
      return stays.destroy();
    });
    assert.deepEqual([seen.errors, seen.ended], [[], true], 'errors, ended');
  }),

  player('players: recoverMediaError, and detachMedia, attachMedia', { on: LINES, broken: { 'first-zero': /statistics/ } }, async (t) => {
    const seen = await evaluate(t, async ([{ way, base }]) => {
      const p = lab.player({ way, url: `${base}/m/one.m3u8`, more: { enableWorker: true } });
      await lab.until(() => lab.ahead(p.video) > 7);
      p.hls.recoverMediaError();
      await lab.until(() => lab.ahead(p.video) > 7);
      p.hls.detachMedia();
      await lab.wait(50);
      p.hls.attachMedia(p.video);
      await lab.toEnd(p);
      return p.destroy();
    });
    assert.deepEqual([seen.errors, seen.ended, seen.badStats], [[], true, []], 'errors, ended, statistics');
  }),

  player('players: 20 changes of source', { on: [NEWEST, '1.5.0'], broken: { 'abort-keeps-transfer': /open|errors|nothing/ } }, async (t) => {
    const seen = await evaluate(t, async ([{ way, base }]) => {
      const p = lab.player({ way, url: `${base}/m/one.m3u8?n=0` });
      for (let n = 1; n <= 20; n++) {
        await lab.wait(n % 4 ? 40 : 5);
        p.hls.loadSource(`${base}/m/${n % 2 ? 'one' : 'stuck'}.m3u8?n=${n}`);
      }
      await lab.wait(30);
      p.hls.loadSource(`${base}/m/one.m3u8?n=last`);
      await lab.toEnd(p);
      return p.destroy();
    });
    assert.deepEqual([seen.errors, seen.ended], [[], true], 'errors, ended');
    await new Promise((go) => setTimeout(go, 1000));
    const open = mediaOf(t.log()).filter((entry) => !entry.cut && !entry.done).map((entry) => entry.path);
    assert.deepEqual(open, [], 'requests still open');
    if (t.condition !== 'mesh') return;
    const { loads, mesh } = await t.page.evaluate(() => lab.mesh.stats());
    assert.equal(loads.takeover, 0, 'takeovers');
    void mesh;
  }),

  player('players: destroyed while loads are open', { on: LINES, broken: { 'abort-keeps-transfer': /open|nothing/ } }, async (t) => {
    const after = await evaluate(t, async ([{ way, base }]) => {
      const called = [];
      for (const ms of [0, 30, 120]) {
        const p = lab.player({ way, url: `${base}/m/stuck.m3u8` });
        await new Promise((go) => p.hls.once('hlsFragLoading', go));
        await lab.wait(ms);
        let over = false;
        for (const event of ['hlsFragLoaded', 'hlsError', 'hlsFragLoadEmergencyAborted']) p.hls.on(event, () => over && called.push(event));
        p.hls.destroy();
        over = true;
      }
      await lab.wait(1000);
      return called;
    });
    assert.deepEqual(after, [], 'events after destroy');
    const log = mediaOf(t.log());
    assert.ok(log.length >= 3, 'loads were open');
    assert.deepEqual(log.filter((e) => !e.cut && !e.done).map((e) => e.path), [], 'requests still open');
  }),

  player('players: seeking back and forth aborts and loads again', { on: LINES, broken: { 'first-zero': /statistics/ } }, async (t) => {
    const seen = await evaluate(t, async ([{ way, base }]) => {
      const p = lab.player({ way, url: `${base}/m/slow.m3u8`, more: { maxBufferLength: 1 } });
      await new Promise((go) => p.hls.once('hlsFragLoading', go));
      for (const at of [9, 1, 5, 10, 2]) {
        p.video.currentTime = at;
        await lab.wait(90);
      }
      p.hls.config.maxBufferLength = 60;
      p.video.currentTime = 0;
      await lab.toEnd(p);
      return p.destroy();
    });
    assert.deepEqual([seen.errors, seen.ended, seen.badStats], [[], true, []], 'errors, ended, statistics');
  }),

  ...['hlsConfig', 'shared'].map((way) => player(`players: an interstitial, whose player HLS.js makes (${way === 'shared' ? 'loader' : 'fLoader'}: ours)`, { on: SINCE_1_6.slice(1), way, everything: way === 'shared', broken: { 'one-at-a-time': /errors|shown|nothing/ } }, async (t) => {
    const seen = await evaluate(t, async ([{ way, base }]) => {
      const p = lab.player({ way, url: `${base}/m/breaks.m3u8` });
      const shown = [];
      for (const event of ['hlsInterstitialAssetStarted', 'hlsInterstitialAssetEnded', 'hlsInterstitialsPrimaryResumed', 'hlsInterstitialAssetError']) p.hls.on(event, () => shown.push(event));
      p.video.playbackRate = 4;
      await p.video.play();
      await lab.until(() => shown.includes('hlsInterstitialsPrimaryResumed') || shown.includes('hlsInterstitialAssetError'));
      await lab.toEnd(p);
      return { shown, ...(await p.destroy()) };
    });
    assert.deepEqual([...new Set(seen.shown)], ['hlsInterstitialAssetStarted', 'hlsInterstitialAssetEnded', 'hlsInterstitialsPrimaryResumed'], 'shown');
    assert.deepEqual([seen.errors, seen.ended, seen.badStats], [[], true, []], 'errors, ended, statistics');
    assert.ok(mediaOf(t.log()).some((e) => e.query.includes('spot')), 'the spot was loaded');
    if (!t.ours) return;
    const spots = await t.page.evaluate((url) => lab.waysUnder(url), `${t.base}/m/v216/seg_0.m4s?spot`);
    assert.deepEqual(spots, [t.condition === 'mesh' ? 'mesh' : 'plain'], 'how the spot was loaded');
  })),

  player('players: HLS.js retries what fails, as often as it is told', { on: LINES, broken: { 'retries-inside': /requests|errors/ } }, async (t) => {
    const seen = await evaluate(t, async ([{ way, base }]) => {
      const policy = { default: { maxTimeToFirstByteMs: 2000, maxLoadTimeMs: 4000, timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 }, errorRetry: { maxNumRetry: 3, retryDelayMs: 50, maxRetryDelayMs: 100 } } };
      const p = lab.player({ way, url: `${base}/m/failing.m3u8`, more: { fragLoadPolicy: policy } });
      await lab.toEnd(p);
      return p.destroy();
    });
    assert.ok(seen.ended, `ended: ${seen.errors}`);
    const tries = mediaOf(t.log()).filter((e) => e.path.endsWith('seg_1.m4s')).length;
    assert.equal(tries, 3, 'requests for a segment that fails twice');
    assert.equal(seen.errors.length, 2, `errors: ${seen.errors}`);
  }),

];
