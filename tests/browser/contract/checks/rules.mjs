// The ten rules, one request at a time.
import assert from 'node:assert/strict';

import { check } from '../check.mjs';
import { SEGMENT, hashOf, mediaOf, only, sizeOf } from '../expect.mjs';

const DRIP = `${SEGMENT}?drip=60`;
const inFlight = (seen) => seen.samples.filter((s) => !s.over && !s.end);

export default [
  check('rule 1: statistics are complete and zero at construction, and the same object to the end', {
    broken: { 'stats-incomplete': /complete/, 'stats-replaced': /same object/ },
  }, async (t) => {
    for (const path of [SEGMENT, `${SEGMENT}?status=404`, `${SEGMENT}?stall=head`]) {
      const seen = await t.request({ path, limits: [150, 300] });
      assert.ok(seen.zeroed, 'complete and zero at construction');
      assert.ok(seen.terminal[0]?.sameStats && seen.onFrag, `the same object in the callback (${path})`);
      assert.ok(seen.terminal[0].sameContext, `the same context in the callback (${path})`);
    }
  }),

  check('rule 1: stats.retry that HLS.js has set stays', { broken: { 'retry-reset': /retry/ } }, async (t) => {
    for (const path of [SEGMENT, `${SEGMENT}?status=503`]) {
      const seen = await t.request({ path, preset: 3 });
      assert.equal(seen.terminal[0].stats.retry, 3, 'stats.retry');
    }
  }),

  check('rule 2: one terminal callback', { broken: { 'second-terminal': /terminal callbacks/, 'throw-becomes-error': /terminal callbacks/ } }, async (t) => {
    for (const then of ['', 'hold', 'throw']) {
      for (const query of ['', '?status=503', '?reset=body', '?stall=body']) {
        const seen = await t.request({ path: SEGMENT + query, then, limits: [300, 300] });
        assert.equal(seen.terminal.length, 1, `terminal callbacks for ${query || 'a good answer'} (${then}): ${seen.terminal.map((c) => c.name)}`);
      }
    }
  }),

  check('rule 2: nothing after destroy(), and nothing from it', {
    broken: { 'destroy-does-nothing': /after destroy/, 'destroy-aborts-aloud': /after destroy/ },
  }, async (t) => {
    for (const at of ['start', 20, 120]) {
      const seen = await t.request({ path: `${SEGMENT}?drip=80`, acts: [{ at, do: 'destroy' }], progress: true, forMs: 600 });
      assert.deepEqual(seen.calls.map((c) => c.name), ['(destroy', 'destroy)'], `called after destroy() at ${at}`);
    }
  }),

  check('rule 3: abort() marks the statistics and calls onAbort before it returns', {
    broken: { 'abort-async': /before abort\(\) returned/, 'abort-unmarked': /aborted/, 'abort-silent': /before abort\(\) returned/, 'abort-twice': /before abort\(\) returned/ },
  }, async (t) => {
    for (const at of ['start', 20, 120]) {
      const seen = await t.request({ path: `${SEGMENT}?drip=80`, acts: [{ at, do: 'abort' }], forMs: 400 });
      assert.deepEqual(seen.calls.map((c) => c.name), ['(abort', 'abort', 'abort)'], `onAbort came before abort() returned, once (at ${at})`);
      assert.equal(seen.calls[1].stats.aborted, true, 'stats.aborted in onAbort');
      assert.equal(seen.final.aborted, true, 'stats.aborted at the end');
    }
  }),

  check('rule 4: destroy() from inside every terminal callback', { broken: { 'throw-becomes-error': /./ } }, async (t) => {
    for (const [query, name] of [['', 'success'], ['?status=404', 'error'], ['?stall=head', 'timeout']]) {
      const seen = await t.request({ path: SEGMENT + query, limits: name === 'timeout' ? [200, 400] : undefined, acts: [{ at: 'terminal', do: 'destroy' }, { at: 'terminal', do: 'destroy' }], then: name === 'success' ? 'throw' : '' });
      only(seen, name);
    }
  }),

  check('rule 5: each body is a buffer of its own, which HLS.js may detach', {
    broken: { 'shared-buffer': /bytes/, 'body-as-view': /ArrayBuffer/, 'body-truncated': /bytes/ },
  }, async (t) => {
    for (let n = 0; n < 3; n++) {
      const { type, bytes, hash } = only(await t.request({ path: SEGMENT, then: 'detach' }), 'success');
      assert.equal(type, 'ArrayBuffer', 'response.data is an ArrayBuffer');
      assert.equal(bytes, sizeOf(SEGMENT), `bytes of load ${n}`);
      assert.equal(hash, hashOf(SEGMENT), `bytes of load ${n}`);
    }
    const all = await Promise.all([0, 1, 2].map(() => t.request({ path: `${SEGMENT}?slow=30`, then: 'detach' })));
    for (const seen of all) assert.equal(only(seen, 'success').bytes, sizeOf(SEGMENT), 'bytes of loads at the same time');
  }),

  check('rule 6: the whole body through onProgress, then again in onSuccess', {
    broken: { 'no-progress': /through onProgress/, 'progress-after': /through onProgress/, 'streamed-empty': /in onSuccess/ },
  }, async (t) => {
    for (const kind of ['media', 'init']) {
      const { calls } = await t.request({ path: SEGMENT, kind, progress: true });
      const names = calls.map((c) => c.name);
      const through = calls.filter((c) => c.name === 'progress').reduce((sum, c) => sum + c.bytes, 0);
      assert.equal(names.indexOf('success'), names.length - 1, `onSuccess is last; the body came through onProgress before: ${names}`);
      assert.equal(through, sizeOf(SEGMENT), `bytes through onProgress (${kind})`);
      assert.equal(calls[calls.length - 1].bytes, sizeOf(SEGMENT), `bytes in onSuccess (${kind})`);
    }
  }),

  check('rule 6: aborted or destroyed inside onProgress: no onSuccess', { broken: { 'destroy-does-nothing': /after/ } }, async (t) => {
    const seen = await t.request({ path: SEGMENT, progress: true, acts: [{ at: 'progress', do: 'destroy' }], forMs: 900 });
    assert.deepEqual(seen.terminal.map((c) => c.name), [], 'nothing after destroy() inside onProgress');
  }),

  check('rule 7: the HTTP status is the error code', { broken: { 'code-0': /code/, 'errors-succeed': /called back/ } }, async (t) => {
    for (const status of [400, 403, 404, 410, 416, 425, 429, 500, 502, 503, 504]) {
      const { code, details } = only(await t.request({ path: `${SEGMENT}?status=${status}` }), 'error');
      assert.equal(code, status, 'error.code');
      assert.equal(details?.status, status, 'networkDetails.status');
    }
  }),

  check('rule 7: code 0 where no answer came', { broken: { 'errors-succeed': /called back/ } }, async (t) => {
    for (const query of ['?reset=head', '?reset=body', '?short=1', '?deny=1', '?reset=body&chunked=1']) {
      const { code } = only(await t.request({ path: SEGMENT + query }), 'error');
      assert.equal(code, 0, `error.code for ${query}`);
    }
  }),

  check('rule 8: no retries inside, whatever fails', { broken: { 'retries-inside': /requests/ } }, async (t) => {
    for (const query of ['?status=503', '?status=404', '?reset=body', '?stall=head']) {
      t.log();
      await t.request({ path: SEGMENT + query, limits: [500, 900], settleMs: 350 });
      assert.equal(mediaOf(t.log()).length, 1, `requests for ${query}`);
    }
  }),

  check('rule 8: the limit to the first byte', {
    broken: { 'no-limits': /called back|timer/, 'no-first-limit': /called back|after \d+ ms|timer/, 'limit-too-early': /timer|ms/, 'timer-unwritten': /timer/ },
  }, async (t) => {
    const seen = await t.request({ path: `${SEGMENT}?stall=head`, limits: [300, 1500] });
    assert.equal(seen.timeoutAtStart, 300, 'the timer in force after load()');
    const { at, timeout, stats } = only(seen, 'timeout');
    within(at - seen.loadAt, 300, 'limit to the first byte');
    assert.equal(timeout, 300, 'the timer in force, in config.timeout');
    assert.equal(stats.aborted, true, 'stats.aborted');
  }),

  check('rule 8: the limit of the whole load, counted from load()', {
    broken: { 'limit-restarts': /ms/, 'no-limits': /called back|timer/, 'limit-too-early': /ms|called back/ },
  }, async (t) => {
    const seen = await t.request({ path: `${SEGMENT}?stall=body&slow=250`, limits: [1000, 600], sampleMs: 20 });
    const { at, timeout } = only(seen, 'timeout');
    within(at - seen.loadAt, 600, 'limit of the load');
    assert.equal(timeout, 600, 'the timer in force, in config.timeout');
    for (const first of [0, null]) {
      const whole = await t.request({ path: `${SEGMENT}?stall=head`, limits: [first, 250] });
      within(only(whole, 'timeout').at - whole.loadAt, 250, `limit of the load, none to the first byte (${first})`);
      assert.equal(whole.timeoutAtStart, 250, 'the timer in force after load()');
    }
  }),

  check('rule 8: a load within its limits is not cut short', { broken: { 'limit-too-early': /called back/ } }, async (t) => {
    only(await t.request({ path: `${SEGMENT}?slow=250&drip=100`, limits: [450, 1600] }), 'success');
  }),

  check('rule 9: times are performance.now(), in order', {
    broken: { 'nan-times': /number/, 'first-zero': /first/, 'epoch-times': /start|first/ },
  }, async (t) => {
    for (const [path, kind] of [[SEGMENT, 'media'], [`${SEGMENT}?slow=120`, 'media'], [`${SEGMENT}?drip=40`, 'init'], [SEGMENT, 'part']]) {
      const seen = await t.request({ path, kind });
      const { stats, at } = only(seen, 'success');
      const { start, first, end } = stats.loading;
      for (const [name, value] of Object.entries({ start, first, end, loaded: stats.loaded, total: stats.total, bwEstimate: stats.bwEstimate })) {
        assert.ok(typeof value === 'number' || (name === 'bwEstimate' && value === 'Infinity'), `${name} is a number: ${value}`);
      }
      assert.ok(start >= seen.loadAt - 1 && start < seen.loadAt + 50, `start (${start}) is when load() was called (${seen.loadAt})`);
      assert.ok(first >= start && end >= first && end <= at + 1, `start ${start} <= first ${first} <= end ${end} <= ${at}`);
      if (path.includes('slow')) assert.ok(first - start > 100, `first - start is the wait for the head: ${first - start}`);
      if (path.includes('drip')) assert.ok(first - start < 100 && end - first > 80, `first is when the head came: ${first - start}, ${end - first}`);
      assert.equal(stats.loaded, sizeOf(SEGMENT), 'loaded');
      assert.equal(stats.total, sizeOf(SEGMENT), 'total');
    }
  }),

  check('rule 10: loaded, total and first are live while loading, and loaded only grows', {
    broken: { 'loaded-at-end': /loaded is live/, 'first-at-end': /first is live/, 'total-unknown': /total is live/, 'total-too-small': /total is live/, 'loaded-jumps-back': /only grows/, 'loaded-equals-total': /total/ },
  }, async (t) => {
    const plans = [{ path: DRIP, size: sizeOf(SEGMENT) }, { path: DRIP, size: 60000, range: [1000, 61000] }, { path: DRIP, kind: 'init', size: sizeOf(SEGMENT) }, { path: DRIP, kind: 'part', range: [0, 60000], size: 60000 }];
    for (const { size, ...what } of plans) {
      const seen = await t.request({ ...what, sampleMs: 8 });
      only(seen, 'success');
      const during = inFlight(seen);
      const label = JSON.stringify(what);
      assert.ok(during.some((s) => s.loaded > size / 5 && s.loaded < size * 0.9), `loaded is live: ${during.map((s) => s.loaded)} ${label}`);
      assert.ok(during.some((s) => s.first > 0 && s.loaded < size * 0.8), `first is live ${label}`);
      assert.ok(during.filter((s) => s.loaded).every((s) => s.total === size), `total is live: ${during.map((s) => s.total)} ${label}`);
      assert.ok(during.every((s, i) => !i || s.loaded >= during[i - 1].loaded), `loaded only grows: ${during.map((s) => s.loaded)} ${label}`);
      assert.ok(during.every((s) => !s.total || s.loaded <= s.total), 'loaded <= total');
    }
  }),

  check('rule 10: loaded never equals total before the end', { broken: { 'loaded-equals-total': /equals total/ } }, async (t) => {
    // The last byte is announced but does not come.
    const seen = await t.request({ path: `${SEGMENT}?stall=body`, limits: [300, 400], sampleMs: 8 });
    only(seen, 'timeout');
    const during = seen.samples.filter((s) => s.loaded);
    assert.ok(during.length && during.every((s) => s.loaded !== s.total), `loaded equals total: ${during.map((s) => `${s.loaded}/${s.total}`)}`);
  }),

  check('onSuccess never comes from inside load()', { broken: { 'sync-success': /inside load/ } }, async (t) => {
    for (let n = 0; n < 3; n++) assert.equal(only(await t.request({ path: SEGMENT }), 'success').inside, false, 'onSuccess came from inside load()');
  }),

  check('a loader is used once', { broken: { 'loads-twice': /second load/ } }, async (t) => {
    const seen = await t.request({ path: SEGMENT, twice: true });
    assert.match(seen.second, /only be used once/, 'a second load() throws');
    only(seen, 'success');
    assert.ok(seen.contextKept, 'loader.context');
  }),

  check('more than HLS.js: one terminal callback though abort() comes inside or after it', {
    conditions: ['plain', 'mesh'], broken: { 'plays-nothing': /terminal callbacks/ },
  }, async (t) => {
    for (const [at, query] of [['terminal', ''], ['after', ''], ['terminal', '?status=404'], ['after', '?status=404']]) {
      const seen = await t.request({ path: SEGMENT + query, then: 'hold', acts: [{ at, do: 'abort' }, { at, do: 'abort' }] });
      assert.equal(seen.terminal.length, 1, `terminal callbacks with abort() at ${at}: ${seen.terminal.map((c) => c.name)}`);
    }
  }),

  check('more than HLS.js: an empty body is an error with its status', { conditions: ['plain', 'mesh'], broken: { 'plays-nothing': /called back/ } }, async (t) => {
    for (const query of ['?empty=1', '?empty=1&chunked=1']) {
      assert.equal(only(await t.request({ path: SEGMENT + query }), 'error').code, 200, 'error.code');
    }
  }),
];

function within(ms, limit, what) {
  assert.ok(ms >= limit - 20 && ms < limit + 350, `${what} of ${limit} ms ended the load after ${Math.round(ms)} ms`);
}
