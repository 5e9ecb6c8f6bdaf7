// What the origin sees: with nobody to share with, a media request is the one plain HLS.js would make.
import assert from 'node:assert/strict';

import { ALL, LINES, NEWEST, check as on } from '../check.mjs';
import { SEGMENT, hashOf, mediaOf, only, sha, sizeOf } from '../expect.mjs';
import { KEY, bodyOf, media } from '../media.mjs';

/** Requests of HLS.js's own loader, by release and what was asked: what all others must equal. */
const reference = new Map();
async function asPlain(t, name, what) {
  t.log();
  await t.request(what);
  const lines = mediaOf(t.log()).map((r) => `${r.method} ${r.path}${r.query}\n${r.raw.join('\n')}`);
  const key = `${t.version} ${name}`;
  if (!reference.has(key)) reference.set(key, later());
  const known = reference.get(key);
  if (t.way === 'xhr') known.tell(lines);
  // Asked for one way alone there is nothing to compare with.
  const plain = await Promise.race([known.told, new Promise((_go, no) => setTimeout(no, 30_000, new Error('HLS.js\'s own loader was not run')))]);
  assert.deepEqual(lines, plain, `requests (${name})`);
}

function later() {
  let tell;
  const told = new Promise((go) => (tell = go));
  return { told, tell };
}

/** On the last release of each line: nothing here differs between the first and the last of one. */
const check = (name, what, test) => on(name, { on: LINES, ...what }, test);

export default [
  check('requests: URL, header lines and their order are plain HLS.js\'s', {
    broken: { 'extra-header': /requests/, 'headers-dropped': /requests/, 'range-ignored': /requests/, 'range-inclusive': /requests/, 'range-always': /requests/, 'cache-buster': /requests/, 'asks-twice': /requests/ },
  }, async (t) => {
    await asPlain(t, 'segment', { path: SEGMENT });
    await asPlain(t, 'query', { path: `${SEGMENT}?token=x%20y&CMCD=bl%3D1` });
    await asPlain(t, 'init', { path: '/m/v216/init.mp4', kind: 'init' });
    await asPlain(t, 'range', { path: SEGMENT, range: [100, 5000], sn: 2 });
    await asPlain(t, 'init range', { path: SEGMENT, range: [0, 700], kind: 'init' });
    await asPlain(t, 'part', { path: SEGMENT, kind: 'part', range: [0, 3000] });
    await asPlain(t, 'headers', { path: SEGMENT, headers: { 'CMCD-Request': 'bl=100,mtp=2', 'X-Own': 'yes', Accept: 'video/mp4' }, sn: 3 });
    await asPlain(t, 'subtitles', { path: '/m/cues_0.vtt', as: 'subtitle', sn: 4 });
    await asPlain(t, 'redirect', { path: `${SEGMENT}?redirect=same`, headers: { 'X-Own': 'yes' }, range: [5, 50], sn: 5 });
    await asPlain(t, 'home', { path: SEGMENT, url: `${t.home}${SEGMENT}?of=${t.name}` });
  }),

  check('requests: to the page\'s own origin with its cookies, to others without', {
    broken: { 'credentials-always': /cookie/ },
  }, async (t) => {
    await t.page.evaluate(() => (document.cookie = 'own=1; path=/'));
    for (const [base, wanted] of [[t.home, true], [t.base, false]]) {
      only(await t.request({ path: SEGMENT, url: `${base}${SEGMENT}?cookie=${t.name}` }), 'success');
      only(await t.request({ path: SEGMENT, url: `${base}${SEGMENT}?cookie=${t.name}&again=1`, sn: 2 }), 'success');
      const last = (base === t.home ? t.logOf('home') : t.log()).filter((r) => r.query.includes(`cookie=${t.name}&again`)).pop();
      assert.equal(!!last.headers.cookie, wanted, `cookie at ${base}`);
    }
  }),

  check('requests: no preflight where plain HLS.js needs none, at an origin that refuses them', {
    strict: true, broken: { preflights: /OPTIONS|called back/ },
  }, async (t) => {
    for (const what of [{ path: SEGMENT }, { path: SEGMENT, range: [0, 5000], sn: 2 }, { path: SEGMENT, kind: 'init', range: [0, 700] }, { path: SEGMENT, kind: 'part', range: [7, 700] }]) {
      const { bytes } = only(await t.request(what), 'success');
      assert.equal(bytes, what.range ? what.range[1] - what.range[0] : sizeOf(SEGMENT), 'bytes');
    }
    assert.deepEqual(t.log().filter((r) => r.method === 'OPTIONS').map((r) => r.path), [], 'OPTIONS at an origin that answers them with 405');
  }),

  check('requests: a load starts at once', { broken: { 'starts-late': /start/ } }, async (t) => {
    const waits = [];
    for (let n = 0; n < 7; n++) {
      t.log();
      const seen = await t.request({ path: `${SEGMENT}?n=${n}`, kind: n % 3 ? 'media' : 'init', sn: n + 1, settleMs: 10 });
      only(seen, 'success');
      waits.push(mediaOf(t.log())[0].at - seen.loadAtWall);
    }
    waits.sort((a, b) => a - b);
    // HLS.js's own loader takes 2 to 30 ms here, by how busy the machine is; the median tells a wait from a hiccup.
    assert.ok(waits[3] < 80, `start after ${waits.map(Math.round)} ms`);
  }),

  check('requests: abort and destroy end the transfer at the origin', {
    broken: { 'abort-keeps-transfer': /goes on/, 'destroy-keeps-transfer': /goes on/ },
  }, async (t) => {
    for (const act of ['abort', 'destroy']) {
      for (const [query, at] of [['?stall=head', 150], ['?stall=body', 250], ['?drip=250', 400]]) {
        t.log();
        await t.request({ path: SEGMENT + query, acts: [{ at, do: act }], forMs: at + 50, settleMs: 150 });
        const [entry] = mediaOf(t.log());
        assert.ok(entry.cut, `after ${act} the transfer goes on (${query})`);
      }
    }
  }),

  check('answers: the final URL after redirects, to the same and to another host', {
    broken: { 'url-as-asked': /URL/ },
  }, async (t) => {
    for (const [kind, host] of [['same', new URL(t.base).hostname], ['cross', `moved-${t.name}.page.localhost`]]) {
      for (const what of [{}, { range: [3, 900] }]) {
        const { url, bytes } = only(await t.request({ path: `${SEGMENT}?redirect=${kind}`, sn: 2, ...what }), 'success');
        assert.equal(new URL(url).hostname, host, `response URL ${url}`);
        assert.equal(new URL(url).search, '?moved=1', `response URL ${url}`);
        assert.equal(bytes, what.range ? 897 : sizeOf(SEGMENT), 'bytes');
      }
    }
  }),

  check('answers: a coded body, whose Content-Length is not its length', { broken: { 'total-too-small': /lies/ } }, async (t) => {
    for (const [sn, url] of [[2, `${t.base}${SEGMENT}?gzip=1&drip=60`], [3, `${t.home}${SEGMENT}?gzip=1&drip=60`], [4, `${t.base}/m/cues_0.vtt?gzip=1&drip=60`]]) {
      const size = url.includes('vtt') ? (await bodyOf(new URL(url))).length : sizeOf(SEGMENT);
      const seen = await t.request({ path: SEGMENT, url, sampleMs: 8, sn });
      const { stats, bytes } = only(seen, 'success');
      assert.deepEqual([bytes, stats.loaded, stats.total], [size, size, size], 'bytes, loaded, total');
      for (const s of seen.samples.filter((x) => !x.over && !x.end)) {
        // Where the length cannot be known HLS.js's own loader says 0.
        assert.ok(s.total === 0 || s.total === size, `total lies while loading: ${s.loaded}/${s.total} of ${size}`);
        assert.ok(s.loaded <= size, `loaded lies while loading: ${s.loaded} of ${size}`);
      }
    }
  }),

  check('answers: without a length', { broken: { 'loaded-at-end': /loaded/ } }, async (t) => {
    const seen = await t.request({ path: `${SEGMENT}?chunked=1&drip=50`, sampleMs: 8 });
    const { stats, hash } = only(seen, 'success');
    assert.equal(hash, hashOf(SEGMENT), 'bytes');
    assert.deepEqual([stats.loaded, stats.total], [sizeOf(SEGMENT), sizeOf(SEGMENT)], 'loaded and total at the end');
    assert.ok(seen.samples.some((s) => !s.end && s.loaded > 1000), 'loaded is live');
  }),

  check('answers: 206 to a range, 200 with everything to a range, 416', {
    broken: { 'range-ignored': /code|bytes|called/, 'code-missing': /code/ },
  }, async (t) => {
    const part = only(await t.request({ path: SEGMENT, range: [1000, 6000], sn: 2 }), 'success');
    assert.deepEqual([part.code, part.bytes, part.hash], [206, 5000, sha(media('v216/seg_1.m4s').subarray(1000, 6000))], 'code, bytes, hash');
    t.log();
    // HLS.js hands on what came, and warns; what the demuxer makes of it is the same then.
    const whole = only(await t.request({ path: `${SEGMENT}?whole=1`, range: [1000, 6000], sn: 3 }), 'success');
    assert.deepEqual([whole.code, whole.bytes], [200, sizeOf(SEGMENT)], 'code, bytes');
    assert.equal(mediaOf(t.log()).length, 1, 'requests where the range is ignored');
    const beyond = only(await t.request({ path: SEGMENT, range: [9000000, 9000100], sn: 4 }), 'error');
    assert.equal(beyond.code, 416, 'code');
  }),

  check('answers: status, URL and network details of a success', {
    broken: { 'no-details': /details/, 'code-missing': /code/ },
  }, async (t) => {
    const { code, url, details } = only(await t.request({ path: SEGMENT }), 'success');
    assert.equal(code, 200, 'code');
    assert.equal(url, t.base + SEGMENT, 'URL');
    assert.deepEqual(details, { status: 200, type: 'video/iso.segment' }, 'network details');
  }),

  check('answers: the XMLHttpRequest that pages read in networkDetails', { broken: { 'no-details': /details/ } }, async (t) => {
    const read = (status) => t.page.evaluate(async ([url, way]) => {
      const { Loader, config } = lab.loaderOf(way, {});
      const context = { url, responseType: 'arraybuffer', headers: {}, rangeStart: 0, rangeEnd: 0, part: null, frag: { sn: 7, cc: 0, type: 'main', level: 0, duration: 4, relurl: 'seg_1.m4s', baseurl: new URL('index.m3u8', url).href, base: { url: new URL('index.m3u8', url).href } } };
      const policy = { loadPolicy: { maxTimeToFirstByteMs: 9000, maxLoadTimeMs: 9000, timeoutRetry: null, errorRetry: null }, timeout: 9000 };
      return new Promise((go) => {
        const told = (d) => go(d && [d.status, d.readyState, d.responseURL, d.getResponseHeader && d.getResponseHeader('Content-Type'), !!(d.getAllResponseHeaders && /content-type: /i.test(d.getAllResponseHeaders()))]);
        new Loader(config).load(context, policy, { onSuccess: (_r, _s, _c, d) => told(d), onError: (_e, _c, d) => told(d), onTimeout: () => told('timeout') });
      });
    }, [`${t.base}${SEGMENT}${status}`, t.way]);
    assert.deepEqual(await read(''), [200, 4, t.base + SEGMENT, 'video/iso.segment', true], 'details of a success');
    assert.deepEqual(await read('?status=404'), [404, 4, `${t.base}${SEGMENT}?status=404`, 'text/javascript', true], 'details of an error');
  }),

  check('not media: keys and JSON pass, with their retries', {
    way: 'shared', broken: { 'keys-as-media': /key/, 'json-as-text': /JSON/, 'retries-never': /requests/ },
  }, async (t) => {
    const retry = { maxNumRetry: 2, retryDelayMs: 20, maxRetryDelayMs: 50 };
    const asked = async (what, name) => {
      t.log();
      const call = only(await t.request({ retry, ...what }), name);
      return { call, requests: t.log().length };
    };
    const key = await asked({ path: '/m/key', kind: 'key' }, 'success');
    assert.deepEqual([key.call.hash, key.requests], [sha(KEY), 1], 'the key');
    assert.equal((await asked({ path: '/m/key?status=503', kind: 'key' }, 'error')).requests, 3, 'requests for a 503');
    assert.equal((await asked({ path: '/m/key?status=503&times=1', kind: 'key' }, 'success')).requests, 2, 'requests for one 503');
    assert.equal((await asked({ path: '/m/key?status=404', kind: 'key' }, 'error')).requests, 1, 'requests for a 404');
    assert.equal((await asked({ path: '/m/key?stall=head&times=1', kind: 'key', timeoutRetry: retry, limits: [700, 1400] }, 'success')).requests, 2, 'requests for a timeout');
    assert.deepEqual((await asked({ path: '/m/data.json', kind: 'json' }, 'success')).call.json, { VERSION: 1 }, 'JSON');
    assert.equal((await asked({ path: '/m/one.m3u8', kind: 'text' }, 'success')).call.type, 'String', 'text');
  }),

  check('many at once: each gets its own', { on: [...new Set([ALL[0], NEWEST])], broken: { 'shared-buffer': /bytes/, 'one-at-a-time': /called back/ } }, async (t) => {
    const all = await Promise.all([0, 1, 2, 3, 4, 5].flatMap((n) => ['v216', 'a64'].map((r) => t.request({ path: `/m/${r}/seg_${n}.m4s`, as: r === 'a64' ? 'audio' : 'main', sn: n, then: 'detach' }).then((seen) => [r, n, seen]))));
    for (const [r, n, seen] of all) assert.equal(only(seen, 'success').hash, hashOf(`/m/${r}/seg_${n}.m4s`), `bytes of ${r} ${n}`);
    // The same segment for several players at once.
    const same = await Promise.all([0, 1, 2, 3].map(() => t.request({ path: `${SEGMENT}?drip=60`, then: 'detach', sn: 9, sampleMs: 10 })));
    for (const seen of same) {
      assert.equal(only(seen, 'success').hash, hashOf(SEGMENT), 'bytes');
      assert.ok(seen.samples.some((s) => !s.end && s.loaded > 1000 && s.first > 0), 'loaded and first are live for each');
    }
  }),

  check('many at once: the limits of one that joins another', { on: [NEWEST], conditions: ['plain', 'mesh', 'xhr'], broken: { 'limit-too-early': /called back/ } }, async (t) => {
    const first = t.request({ path: `${SEGMENT}?drip=300`, sn: 9, limits: [900, 2700] });
    await new Promise((go) => setTimeout(go, 120));
    const second = t.request({ path: `${SEGMENT}?drip=300`, sn: 9, limits: [900, 2700] });
    only(await first, 'success');
    only(await second, 'success');
  }),
];
