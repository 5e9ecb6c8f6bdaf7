// Around the core: when it is started, what it is told, and what a player sees of its moods.
import assert from 'node:assert/strict';

import { LINES, NEWEST, player } from '../check.mjs';
import { hashOf, mediaOf } from '../expect.mjs';

/** Plays with a scripted core, paced so that the core is there before the last segments. */
const scripted = (name, how, what, test) => player(`core: ${name}`, { conditions: ['plain'], scripted: 'scripted', ...what }, async (t) => {
  await t.page.evaluate((mood) => script(mood), how);
  await test(t);
});

const stats = (t) => t.page.evaluate(() => MeshedFlow.createMeshedFlow({ streamId: 'contract' }).stats());

function expectOrigin(seen, names) {
  assert.deepEqual([seen.errors, seen.ended, seen.badStats], [[], true, []], 'errors, ended, statistics');
  for (const [name, path] of Object.entries(names)) assert.equal(seen.bodies[name], hashOf(path), `body of ${name}`);
}

const VIDEO = Object.fromEntries([0, 1, 2].map((n) => [`main/${n}`, `/m/v216/seg_${n}.m4s`]));

export default [
  scripted('it is started after the first segment, and then loads go through it', 'peers', { on: LINES }, async (t) => {
    expectOrigin(await t.play({ path: '/m/paced.m3u8', attach: true }), VIDEO);
    const core = await t.page.evaluate(() => ({ ...window.core, answer: undefined }));
    assert.ok(core.offered.length >= 1 && core.asked.length >= 1, `offered ${core.offered.length}, asked ${core.asked.length}`);
    assert.equal(core.offered.length + core.asked.length, 4, 'each of 3 segments and an init segment once');
    assert.deepEqual(core.lanes.map((l) => l.listUrl.slice(t.base.length)), ['/m/paced.mfi.json'], 'where the list is expected');
    for (const type of ['buffer', 'playlist', 'hidden']) assert.ok(core.reports.some((r) => r.type === type), `report ${type}`);
    assert.equal(core.closed, 1, 'destroying the attached player closes the core');
    assert.equal((await stats(t)).loads.mesh, core.asked.length, 'loads in the statistics');
  }),

  scripted('in every mood: played to the end, the origin\'s bytes', 'mixed', { on: LINES }, async (t) => {
    expectOrigin(await t.play({ path: '/m/paced.m3u8', way: t.version.startsWith('1.7') ? 'shared' : 'snippet', end: 12 }), VIDEO);
    const { loads } = await stats(t);
    assert.ok(loads.mesh + loads.takeover >= 1, JSON.stringify(loads));
  }),

  scripted('one that serves in no time does not fool the estimate', 'peers', {}, async (t) => {
    const { bandwidth } = await t.play({ path: '/m/paced.m3u8', more: { abrEwmaDefaultEstimate: 8e6, abrEwmaFastVoD: 0.01, abrEwmaSlowVoD: 0.01 } });
    assert.ok(bandwidth > 2e6 && bandwidth < 11e6, `estimate ${Math.round(bandwidth)} bit/s, told 8e6`);
  }),

  player('core: a snippet with a page\'s xhrSetup, once its player is attached', { on: ['1.5.20', '1.6.19'], conditions: ['plain', 'mesh'] }, async (t) => {
    const seen = await t.page.evaluate(async ({ base }) => {
      const p = lab.player({ way: 'snippet', setup: 'xhrHeader', url: `${base}/m/one.m3u8`, attach: true });
      await lab.toEnd(p);
      return p.destroy();
    }, { base: t.base });
    assert.deepEqual([seen.errors, seen.ended], [[], true], 'errors, ended');
    const media = mediaOf(t.log());
    assert.deepEqual(media.filter((e) => e.headers['x-setup'] !== 'late').map((e) => e.path), [], 'media requests without the setup');
  }),

  player('core: a live one plays on where its edge is silent, refuses, or is not there', { on: [NEWEST], conditions: ['xhr'] }, async (t) => {
    // HLS.js alone is the measure: the third segment must not wait for neighbours who are not there.
    const gaps = {};
    for (const [name, signalingUrl] of Object.entries({ alone: null, absent: 'ws://127.0.0.1:9/', silent: `ws://localhost:${new URL(t.home).port}/never` })) {
      const url = `${t.base}/m/v216/index.m3u8?${name}`;
      const seen = await t.page.evaluate(async ([edge, from]) => {
        const mesh = edge && MeshedFlow.createMeshedFlow({ streamId: `edge-${edge.length}`, signalingUrl: edge });
        const loads = [];
        const p = lab.player({ way: 'xhr', url: from, more: mesh ? mesh.hlsConfig() : {} });
        p.hls.on('hlsFragLoaded', (_e, { frag }) => loads.push([frag.sn, frag.stats.loading.end - frag.stats.loading.start]));
        await lab.toEnd(p);
        const { errors, ended } = await p.destroy();
        if (mesh) mesh.destroy();
        return { errors, ended, loads };
      }, [signalingUrl, url]);
      assert.deepEqual([seen.errors, seen.ended], [[], true], `errors, ended (${name})`);
      gaps[name] = Math.max(...seen.loads.map(([, ms]) => ms));
    }
    assert.ok(gaps.absent < gaps.alone + 400 && gaps.silent < gaps.alone + 400, `longest load: ${JSON.stringify(gaps)}`);
  }),
];
