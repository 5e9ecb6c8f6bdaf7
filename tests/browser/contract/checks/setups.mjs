// xhrSetup and fetchSetup: what a page does to its requests, it does to ours.
import assert from 'node:assert/strict';

import { LINES, check as on } from '../check.mjs';
import { SEGMENT, hashOf, mediaOf, only } from '../expect.mjs';

const FETCH = { 'setup-ignored': /header|called|query/ };

/** One request with a setup; the origin's entry for it. */
async function asked(t, setup, more = {}) {
  t.log();
  const seen = await t.request({ path: `${SEGMENT}?of=${setup}`, setup, ...more });
  return { call: only(seen, 'success'), entries: mediaOf(t.log()) };
}

async function sets(t, setup, header, more) {
  const { call, entries } = await asked(t, setup, more);
  assert.equal(call.hash, hashOf(SEGMENT), 'bytes');
  assert.deepEqual(entries.map((e) => e.headers['x-setup']), [header], 'header of the setup');
  return entries[0];
}

/** What the setups of this run's requests wrote down. */
const heard = async (t) => (await t.page.evaluate(() => lab.heard)).filter((line) => t.base.endsWith(line.split(' ')[0])).map((line) => line.slice(line.indexOf(' ') + 1));

/** On the last release of each line: nothing here differs between the first and the last of one. */
const check = (name, what, test) => on(name, { on: LINES, ...what }, test);

export default [
  check('xhrSetup that sets a header on a request not opened yet', { broken: { 'setup-ignored': /header/, 'setup-once': /header|called/ } }, (t) => sets(t, 'xhrHeader', 'late')),
  check('xhrSetup that opens the request, elsewhere', { broken: { 'setup-ignored': /header/ } }, async (t) => {
    const { query } = await sets(t, 'xhrOpens', 'opened');
    assert.match(query, /token=a/, 'the URL that the setup opened');
  }),
  check('xhrSetup that opens, sets a header and fails at first: opened anew', { broken: { 'setup-not-reopened': /header|query/ } }, async (t) => {
    const { query } = await sets(t, 'xhrTwice', 'second');
    assert.ok(!query.includes('first'), 'query of the first opening');
  }),
  check('asynchronous xhrSetup', { broken: { 'setup-not-awaited': /header|called back/ } }, (t) => sets(t, 'xhrAsync', 'async')),
  check('xhrSetup slower than the limit to the first byte, which begins with the request', { broken: { 'limit-from-load': /called back/ } }, async (t) => {
    const { call } = await asked(t, 'xhrSlow', { limits: [700, 4000] });
    assert.equal(call.hash, hashOf(SEGMENT), 'bytes');
  }),
  check('xhrSetup that always throws is an error of code 0, without a request', { broken: { 'setup-once': /called back/ } }, async (t) => {
    for (const setup of ['xhrThrows', 'xhrRejects']) {
      t.log();
      assert.equal(only(await t.request({ path: SEGMENT, setup }), 'error').code, 0, 'code');
      assert.equal(mediaOf(t.log()).length, 0, 'requests');
    }
  }),
  check('xhrSetup with withCredentials: cookies go to another origin', { broken: { 'credentials-forgotten': /cookie/, 'setup-ignored': /cookie/ } }, async (t) => {
    await asked(t, 'xhrCredentials', { path: `${SEGMENT}?cookie=1` });
    const { entries } = await asked(t, 'xhrCredentials', { sn: 2 });
    assert.match(entries[0].headers.cookie ?? '', /seen=1/, 'cookie');
  }),
  check('xhrSetup with a timeout of its own is an error of code 0', { broken: { 'own-abort-unheard': /called back/ } }, async (t) => {
    assert.equal(only(await t.request({ path: `${SEGMENT}?stall=head`, setup: 'xhrTimeout', forMs: 1500, limits: [3000, 3000] }), 'error').code, 0, 'code');
  }),
  check('xhrSetup that gives the request up is an error of code 0', { broken: { 'own-abort-unheard': /called back/ } }, async (t) => {
    for (const query of ['?stall=head', '?stall=body']) {
      assert.equal(only(await t.request({ path: SEGMENT + query, setup: 'xhrAborts', forMs: 1500, limits: [3000, 3000] }), 'error').code, 0, 'code');
    }
  }),
  check('xhrSetup that listens keeps its listeners', { broken: { 'handlers-taken': /heard/ } }, async (t) => {
    await asked(t, 'xhrListens');
    await t.request({ path: `${SEGMENT}?reset=head`, setup: 'xhrListens', sn: 2 });
    assert.deepEqual(await heard(t), ['load', 'loadend', 'error', 'loadend'], 'heard by the page');
  }),
  check('xhrSetup gets the request, the URL and, from 1.7, the context', { broken: { 'setup-without-context': /arguments/ } }, async (t) => {
    await t.request({ path: SEGMENT, setup: 'xhrArguments', range: [10, 20] });
    const [line] = await heard(t);
    const context = t.version.startsWith('1.7') ? 'true arraybuffer 10-20 1' : null;
    assert.ok(line.startsWith(`true ${SEGMENT}`), `arguments: ${line}`);
    if (context) assert.ok(line.endsWith(context), `arguments: ${line}`);
  }),
  check('xhrSetup: errors, ranges, aborts and statistics are those without it', { broken: { 'code-0': /code/, 'range-ignored': /bytes/ } }, async (t) => {
    assert.equal(only(await t.request({ path: `${SEGMENT}?status=503`, setup: 'xhrHeader' }), 'error').code, 503, 'code');
    assert.equal(only(await t.request({ path: `${SEGMENT}?reset=body`, setup: 'xhrHeader', sn: 2 }), 'error').code, 0, 'code');
    assert.equal(only(await t.request({ path: SEGMENT, range: [0, 100], setup: 'xhrHeader', sn: 3 }), 'success').bytes, 100, 'bytes');
    for (const at of ['start', 10, 100]) {
      t.log();
      only(await t.request({ path: `${SEGMENT}?drip=90`, setup: 'xhrAsync', acts: [{ at, do: 'abort' }], sn: 4, settleMs: 150 }), 'abort');
      assert.ok(mediaOf(t.log()).every((e) => e.cut), 'the transfer ended');
    }
    const seen = await t.request({ path: `${SEGMENT}?drip=60`, setup: 'xhrHeader', sn: 5, sampleMs: 8 });
    const { stats } = only(seen, 'success');
    assert.deepEqual([stats.loaded, stats.total], [stats.loaded, stats.loaded], 'loaded and total');
    const during = seen.samples.filter((s) => !s.end && s.loaded && s.loaded < stats.loaded);
    assert.ok(during.length && during.every((s) => s.total === stats.total && s.first > 0), 'live statistics');
  }),
  // HLS.js 1.5 hands a FetchLoader's caller an empty body, so there is nothing to compare with: see fetch in 1.5 below.
  check('fetchSetup that sets a header', { on: LINES.slice(1), broken: FETCH }, (t) => sets(t, 'fetchHeader', 'fetch')),
  check('asynchronous fetchSetup', { on: LINES.slice(1), broken: FETCH }, (t) => sets(t, 'fetchAsync', 'fetch-async')),
  check('fetchSetup that asks elsewhere', { on: LINES.slice(1), broken: FETCH }, async (t) => {
    const { entries } = await asked(t, 'fetchElsewhere');
    assert.match(entries[0].query, /token=b/, 'the query');
  }),
  check('fetchSetup with credentials: cookies go to another origin', { on: LINES.slice(1), broken: { 'setup-ignored': /cookie/ } }, async (t) => {
    await asked(t, 'fetchCredentials', { path: `${SEGMENT}?cookie=1` });
    const { entries } = await asked(t, 'fetchCredentials', { sn: 2 });
    assert.match(entries[0].headers.cookie ?? '', /seen=1/, 'cookie');
  }),
  check('fetchSetup that rejects is an error of code 0', { on: LINES.slice(1), broken: { 'setup-ignored': /called back/ } }, async (t) => {
    assert.equal(only(await t.request({ path: SEGMENT, setup: 'fetchThrows' }), 'error').code, 0, 'code');
  }),
  check('a FetchLoader as the page\'s loader: bodies, statuses, ranges, aborts', { on: LINES.slice(1), broken: { 'code-0': /code/, 'range-ignored': /bytes/ } }, async (t) => {
    const setup = 'fetchPlain';
    const whole = await t.request({ path: SEGMENT, setup });
    assert.equal(only(whole, 'success').hash, hashOf(SEGMENT), 'bytes');
    assert.equal(only(await t.request({ path: `${SEGMENT}?status=404`, setup, sn: 2 }), 'error').code, 404, 'code');
    assert.equal(only(await t.request({ path: SEGMENT, setup, range: [5, 105], sn: 3 }), 'success').bytes, 100, 'bytes');
    only(await t.request({ path: `${SEGMENT}?stall=head`, setup, limits: [200, 500], sn: 4 }), 'timeout');
    only(await t.request({ path: `${SEGMENT}?drip=60`, setup, acts: [{ at: 60, do: 'abort' }], sn: 5 }), 'abort');
  }),
  check('more than HLS.js: a FetchLoader in 1.5 and with onProgress gives the whole body in onSuccess', { conditions: ['plain', 'mesh'], broken: { 'streamed-empty': /bytes/ } }, async (t) => {
    const { hash } = only(await t.request({ path: SEGMENT, setup: 'fetchHeader', progress: true }), 'success');
    assert.equal(hash, hashOf(SEGMENT), 'bytes');
  }),
];
