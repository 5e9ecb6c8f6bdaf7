// The checks. Each gets a fresh page; `test` throws what went wrong.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const media = (path) => readFileSync(fileURLToPath(new URL(`../../../examples/media/${path}`, import.meta.url)));
const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');
const play = (page, what) => page.evaluate((w) => lab.play(w), what);
const request = (page, what) => page.evaluate((w) => lab.request(w), what);

/** What an origin sees of media, lane by lane, without what changes from run to run. */
function mediaRequests(log) {
  const lanes = {};
  for (const { path, query, range, headers } of log) {
    if (!/\.(m4s|mp4)$|key$/.test(path)) continue;
    const own = Object.keys(headers).filter((name) => /^(x-|cmcd)/.test(name)).sort().map((name) => `${name}=${stable(headers[name])}`);
    const line = `${path}${stable(decodeURIComponent(query))} ${range ?? '-'} ${own.join(' ')} ${headers.cookie ? 'cookie' : ''}`;
    (lanes[path.split('/').slice(0, -1).join('/')] ??= []).push(line);
  }
  // 1.7 asks for init and first segment at once: their order is the network's.
  for (const lane of Object.values(lanes)) lane.sort((a, b) => Number(/init/.test(b)) - Number(/init/.test(a)));
  return lanes;
}

/** CMCD without measured values. */
const stable = (text) => text.replace(/\b(bl|dl|mtp|rtp|su|bs|tb|br|nor|nrr|ltc|pr|sta|sn|ts|h|v|e|msd)\b(=[^,&]*)?,?/g, '');

function expectWellPlayed(seen, label, { bodies = true, fragments = 12 } = {}) {
  assert.deepEqual(seen.errors, [], `${label}: errors`);
  assert.ok(seen.ended, `${label}: played to the end (buffered ${seen.buffered} s)`);
  assert.equal(seen.stats.length, fragments, `${label}: fragments buffered`);
  assert.deepEqual(seen.badStats, [], `${label}: statistics incomplete or not finite`);
  assert.ok(Number.isFinite(seen.bandwidth) && seen.bandwidth > 0, `${label}: bandwidth estimate ${seen.bandwidth}`);
  if (bodies) expectOriginBytes(seen, label);
}

function expectOriginBytes(seen, label) {
  for (let n = 0; n < 6; n++) {
    for (const [type, folder] of [['main', 'v360'], ['audio', 'a64']]) {
      const hash = seen.bodies[`${type}/${n}`];
      const folders = type === 'main' ? ['v360', 'v216'] : [folder];
      assert.ok(folders.some((f) => sha(media(`${f}/seg_${n}.m4s`)) === hash), `${label}: body of ${type} ${n} differs from the origin's`);
    }
  }
}

/** Plays plain, then ours, and compares what the origin saw. */
async function sameAsPlain({ page, base, takeLog }, what, options) {
  const url = base + (what.path ?? '/m/master.m3u8');
  const plain = await play(page, { ...what, way: 'plain', url });
  expectWellPlayed(plain, 'plain', options);
  const before = mediaRequests(takeLog());
  const ours = await play(page, { ...what, url });
  expectWellPlayed(ours, 'ours', options);
  assert.deepEqual(mediaRequests(takeLog()), before, 'media requests at the origin');
  assert.deepEqual(ours.stats.map((s) => `${s.sn} ${s.loaded}`).sort(), plain.stats.map((s) => `${s.sn} ${s.loaded}`).sort(), 'bytes in the statistics');
  return ours;
}

/** The same request by HLS.js's own loader and by ours: the same calls, in the same order. */
async function sameCalls({ page, base }, what) {
  const url = base + what.path;
  const both = ['plain', what.way ?? 'hlsConfig'].map((way) => request(page, { ...what, way, url }));
  const [plain, ours] = await Promise.all(both);
  assert.deepEqual(ours.calls, plain.calls, JSON.stringify(what));
  // For keys the snippet's class shows its statistics nowhere.
  if (ours.aborted !== null) assert.equal(ours.aborted, plain.aborted, `stats.aborted, ${JSON.stringify(what)}`);
  if (ours.aborted !== null) assert.equal(ours.complete, plain.complete, `stats complete, ${JSON.stringify(what)}`);
  return ours;
}

const FOR_ALL = undefined;
const VIDEO_ONLY = { bodies: false, fragments: 6 };
const SEGMENT = '/m/v216/seg_1.m4s';

export const cases = {
  'plays without a core exactly like plain HLS.js: hlsConfig': { versions: FOR_ALL, test: (t) => sameAsPlain(t, { way: 'hlsConfig' }) },
  'the same, with the worker and attached': { versions: ['1.6', '1.7'], test: (t) => sameAsPlain(t, { way: 'fragmentLoader', setup: 'worker', attach: true }, { bodies: false }) },
  'the published snippet, verbatim': { versions: ['1.5', '1.6'], test: (t) => sameAsPlain(t, { way: 'snippet' }) },
  'SharedLoader of the package, as loader:': { versions: ['1.7'], test: (t) => sameAsPlain(t, { way: 'shared' }) },
  'CMCD in the query': { versions: ['1.6'], test: (t) => sameAsPlain(t, { way: 'hlsConfig', setup: 'cmcdQuery' }) },
  'CMCD in headers': { versions: ['1.5', '1.7'], test: (t) => sameAsPlain(t, { way: 'shared', setup: 'cmcdHeaders' }) },
  'xhrSetup that opens, with fLoader': { versions: ['1.7'], test: (t) => sameAsPlain(t, { way: 'hlsConfig', setup: 'xhrSetup' }) },
  'xhrSetup that needs an open request, with loader': { versions: ['1.5'], test: (t) => sameAsPlain(t, { way: 'shared', setup: 'xhrSetupThatNeedsOpen' }) },
  'asynchronous xhrSetup': { versions: ['1.6'], test: (t) => sameAsPlain(t, { way: 'shared', setup: 'xhrSetupAsync' }) },
  'progressive mode and fetchSetup': { versions: ['1.7'], test: (t) => sameAsPlain(t, { way: 'hlsConfig', setup: 'fetch' }, { bodies: false }) },
  "HLS.js's FetchLoader and fetchSetup": { versions: ['1.6'], test: (t) => sameAsPlain(t, { way: 'hlsConfig', setup: 'fetchLoader' }) },
  "HLS.js's FetchLoader, where plain HLS.js 1.5 gets no body from it": {
    versions: ['1.5'],
    test: async ({ page, base }) => expectWellPlayed(await play(page, { way: 'hlsConfig', setup: 'fetchLoader', url: `${base}/m/master.m3u8` }), 'ours'),
  },
  'byte ranges': { versions: ['1.6', '1.7'], test: (t) => sameAsPlain(t, { way: 'hlsConfig', path: '/range/v216.m3u8' }, VIDEO_ONLY) },
  'AES-128: keys pass through, with loader': { versions: ['1.5', '1.7'], test: (t) => sameAsPlain(t, { way: 'shared', path: '/enc/v216.m3u8' }, VIDEO_ONLY) },

  'callbacks equal plain for every kind of answer': {
    async test(t) {
      const answers = [
        { path: SEGMENT },
        { path: SEGMENT, progress: true },
        { path: SEGMENT, part: true, range: [0, 3000] },
        { path: SEGMENT, range: [100, 5000] },
        { path: `${SEGMENT}?drip=30` },
        { path: `${SEGMENT}?status=404` },
        { path: `${SEGMENT}?status=503` },
        { path: `${SEGMENT}?status=403`, range: [0, 10] },
        { path: `${SEGMENT}?reset=1` },
        { path: `${SEGMENT}?stall=head`, limits: [120, 5000] },
        { path: `${SEGMENT}?stall=body`, limits: [200, 300] },
        { path: `${SEGMENT}?stall=head`, limits: [0, 150] },
        { path: `${SEGMENT}?stall=head`, limits: [Infinity, 150] },
      ];
      for (const way of ['hlsConfig', 'snippet']) {
        if (way === 'snippet' && t.version === '1.7') continue;
        for (const answer of answers) await sameCalls(t, { ...answer, way });
      }
    },
  },
  'an empty body is an error with its status': {
    async test({ page, base }) {
      for (const way of ['hlsConfig', 'snippet']) {
        const { calls } = await request(page, { way, url: `${base}${SEGMENT}?empty=1` });
        assert.deepEqual(calls, ['error 200 true']);
      }
    },
  },
  'abort and destroy at odd moments': {
    async test(t) {
      const drip = `${SEGMENT}?drip=60`;
      const moments = [
        [{ at: 'start', do: 'abort' }],
        [{ at: 'start', do: 'destroy' }],
        [{ at: 'start', do: 'abort' }, { at: 'start', do: 'abort' }],
        [{ at: 30, do: 'abort' }, { at: 40, do: 'destroy' }, { at: 50, do: 'abort' }, { at: 60, do: 'destroy' }],
        [{ at: 100, do: 'abort' }],
        [{ at: 100, do: 'destroy' }],
        [{ at: 'terminal', do: 'destroy' }],
        [{ at: 'after', do: 'destroy' }],
        [{ at: 'before', do: 'abort' }],
      ];
      for (const acts of moments) await sameCalls(t, { path: drip, acts, forMs: 500 });
      // One terminal callback, where HLS.js's own loader would call a second one.
      const late = await request(t.page, { way: 'hlsConfig', url: t.base + SEGMENT, acts: [{ at: 'terminal', do: 'abort' }] });
      assert.equal(late.calls.filter((c) => /^(success|error|timeout|abort)/.test(c)).length, 1, late.calls.join());
    },
  },
  'what is not media passes through, retries and JSON included': {
    async test(t) {
      const retry = { maxNumRetry: 2, retryDelayMs: 20, maxRetryDelayMs: 50 };
      for (const way of t.version === '1.7' ? ['shared'] : ['shared', 'snippet']) {
        const asked = async (path, more = {}) => {
          t.takeLog();
          await sameCalls(t, { way, key: true, path, retry, ...more });
          return t.takeLog().length / 2;
        };
        assert.equal(await asked('/enc/key'), 1);
        assert.equal(await asked('/enc/key?status=503'), 3, 'requests for a 503');
        assert.equal(await asked('/enc/key?status=404'), 1, 'requests for a 404');
        assert.equal(await asked('/m/steering.json', { json: true }), 1);
      }
    },
  },
  'a core is started after the first segment was asked for, and takes over the loading': {
    async test({ page, base, takeLog }) {
      await page.evaluate(() => script('peers'));
      const seen = await play(page, { way: 'hlsConfig', attach: true, url: `${base}/paced/master.m3u8` });
      expectWellPlayed(seen, 'ours');
      const core = await page.evaluate(() => ({ ...core, asked: core.asked.map(({ kind, msn, name, live, bitrateBps }) => ({ kind, msn, name, live, bitrateBps })), stats: MeshedFlow.createMeshedFlow({ streamId: 'contract' }).stats() }));
      assert.ok(core.offered.length >= 1, 'bodies from before the core are offered to it');
      assert.ok(core.asked.length >= 4, `loads through the core: ${core.asked.length}`);
      assert.equal(core.offered.length + core.asked.length, 14, 'each of 12 segments and 2 init segments once');
      assert.deepEqual([...new Set(core.lanes.map((l) => l.rendition))].sort(), ['a64/index.m3u8', 'v216/index.m3u8']);
      assert.deepEqual(core.lanes.map((l) => l.listUrl.slice(base.length)).sort(), ['/paced/a64/index.mfi.json', '/paced/v216/index.mfi.json']);
      const segment = core.asked.find((r) => r.kind === 'media' && r.name.startsWith('seg_'));
      assert.equal(segment.live, false);
      assert.ok(core.asked.some((r) => r.bitrateBps > 100000), 'the level is known');
      for (const type of ['buffer', 'playlist', 'hidden']) assert.ok(core.reports.some((r) => r.type === type), `report ${type}`);
      assert.equal(core.closed, 1, 'destroying the attached player closes the core');
      assert.equal(core.stats.loads.mesh, core.asked.length);
      assert.ok(takeLog().length > 0);
    },
  },
  'a core in every mood, in the snippet and in the package: played to the end, origin bytes': {
    async test({ page, base, version }) {
      await page.evaluate(() => script('mixed'));
      const seen = await play(page, { way: version === '1.7' ? 'shared' : 'snippet', url: `${base}/paced/master.m3u8` });
      expectWellPlayed(seen, 'ours');
      const stats = await page.evaluate(() => MeshedFlow.createMeshedFlow({ streamId: 'contract' }).stats());
      assert.ok(stats.loads.mesh >= 2 && stats.loads.takeover >= 2, JSON.stringify(stats.loads));
    },
  },
  'a core that serves in no time does not fool the estimate': {
    versions: ['1.7'],
    async test({ page, base }) {
      await page.evaluate(() => script('peers'));
      const { bandwidth } = await play(page, { way: 'hlsConfig', url: `${base}/paced/master.m3u8`, config: { abrEwmaDefaultEstimate: 8e6, abrEwmaFastVoD: 0.1, abrEwmaSlowVoD: 0.1 } });
      assert.ok(bandwidth > 5e6 && bandwidth < 11e6, `estimate ${Math.round(bandwidth)} bit/s, told 8e6`);
    },
  },
  'the build in js/dist, with its real core and nobody to share with': {
    async test({ page, base, takeLog }) {
      await page.evaluate(async () => {
        window.MeshedFlow = await import('/sdk/index.js');
        window.fallen = [];
        const mesh = (window.mesh = MeshedFlow.createMeshedFlow({ streamId: 'contract' }));
        mesh.on('error', (e) => fallen.push(e.code));
        mesh.on('sharing', (e) => e.on || fallen.push(e.reason));
      });
      const seen = await play(page, { way: 'hlsConfig', attach: true, url: `${base}/paced/master.m3u8` });
      expectWellPlayed(seen, 'ours');
      const { stats, fallen } = await page.evaluate(() => ({ stats: mesh.stats(), fallen }));
      assert.ok(stats.loads.mesh >= 3, `${JSON.stringify(stats)} ${fallen}`);
      assert.equal(stats.loads.takeover, 0, `${JSON.stringify(stats)} ${fallen}`);
      const media = takeLog().filter((line) => /\.(m4s|mp4)$/.test(line.path)).map((line) => line.path);
      assert.equal(media.length, new Set(media).size, `nothing is fetched twice: ${media}`);
    },
  },
};
