// The module with its page, in Chromium: what is left when the module breaks, and how one that cannot be had is told.
//
//   MESHEDFLOW_BREAKABLE=<where meshedflow.js with test hooks is> node --test crates/wasm/tests/page.test.mjs
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const wasmDir = process.env.MESHEDFLOW_BREAKABLE ?? path.join(root, 'target/wasm-breakable');
const wasm = readFileSync(path.join(wasmDir, 'meshedflow_bg.wasm'));
const CORE = { streamId: 'test', platform: { webrtc: true } };

const requests = [];
let server;
let browser;
let base;

before(async () => {
  const files = {
    '/': ['text/html', '<!doctype html><link rel="icon" href="data:,"><title>test</title>'],
    '/wasm.js': ['text/javascript', await bundle()],
    '/meshedflow_bg.wasm': ['application/wasm', wasm],
    '/octets.wasm': ['application/octet-stream', wasm],
    '/page.wasm': ['text/html', '<!doctype html>the start page of a server that has no 404'],
  };
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://host');
    requests.push({ url: request.url, headers: request.headers });
    if (pathname.startsWith('/never/')) return;
    const [type, body] = files[pathname] ?? ['text/plain', 'no such file'];
    response.writeHead(files[pathname] ? 200 : 404, { 'content-type': type });
    response.end(body);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${server.address().port}`;
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

async function bundle() {
  const glue = path.join(wasmDir, 'meshedflow.js');
  const plugin = { name: 'glue', setup: (b) => b.onResolve({ filter: /^meshedflow-wasm$/ }, () => ({ path: glue })) };
  const entryPoints = [path.join(root, 'js/src/wasm.ts')];
  const define = { MESHEDFLOW_WASM_INTEGRITY: 'self.integrity' };
  const result = await build({ entryPoints, bundle: true, format: 'esm', target: 'es2020', write: false, plugins: [plugin], define });
  return result.outputFiles[0].text;
}

/** A page, under a Content-Security-Policy if one is given, with `startMesh`, and with `begin`, which begins a load and writes down what its session is told. */
async function open(policy) {
  const page = await (await browser.newContext()).newPage();
  const said = [];
  if (policy) {
    await page.route(`${base}/`, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, headers: { ...response.headers(), 'content-security-policy': policy } });
    });
  }
  page.on('console', (message) => message.type() === 'error' && said.push(message.text()));
  await page.goto(base);
  await page.evaluate(async () => {
    const { startMesh } = await import('/wasm.js');
    const at = (name) => `${location.origin}/${name}`;
    const lane = { playlist: at('never/index.m3u8'), origin: location.origin, listUrl: at('never/index.mfi.json'), kind: 'main' };
    const begin = (port, name, setup = {}) => {
      const heard = { told: [], body: null, fault: null };
      const note = (word) => () => heard.told.push(word);
      const sink = { httpBytes: note('bytes'), httpHead: note('head'), progress: note('progress'), due: note('due'), dead: note('dead'), fellBack: note('fallback') };
      sink.failed = (fault) => { heard.told.push('failed'); heard.fault = { ...fault, details: String(fault.details) }; };
      sink.loaded = (body) => { heard.told.push('loaded'); heard.body = body; };
      const request = { lane: port.lane(lane), url: at(name), name, kind: 'media', msn: 1, discontinuity: 0, durationMs: 4000, bitrateBps: 0, httpOnly: true, live: true };
      port.load(request, { headers: {}, context: { frag: 'seven' }, ...setup }, sink);
      return heard;
    };
    const wait = (ms) => new Promise((done) => setTimeout(done, ms));
    const until = async (met) => { for (let i = 0; i < 500 && !met(); i++) await wait(10); };
    Object.assign(window, { startMesh, begin, until, wait });
  });
  return { page, said };
}

for (const hook of ['panic-in-load', 'panic-in-timer', 'grow']) {
  test(`${hook}: every core of the module is dead, and every open load is told once`, async () => {
    const { page, said } = await open();
    const seen = await page.evaluate(
      async ([core, hook]) => {
        const one = await startMesh({ core });
        const two = await startMesh({ core: { ...core, streamId: 'other' } });
        const loads = [begin(one, 'never/1'), begin(two, 'never/2')];
        const before = [one.alive, two.alive];
        one.host.enter((handle) => handle.testHook(hook), true);
        if (hook === 'panic-in-load') loads.push(begin(one, 'never/3'));
        if (hook === 'panic-in-timer') one.host.soon();
        const during = loads.flatMap(({ told }) => told).includes('dead');
        await until(() => !two.alive);
        loads.push(begin(two, 'never/4'));
        await wait(100);
        const told = loads.map((load) => load.told.filter((word) => word === 'dead').length);
        return { before, during, alive: [one.alive, two.alive], told, stats: one.stats() };
      },
      [CORE, hook],
    );
    assert.deepEqual(seen.before, [true, true]);
    assert.equal(seen.during, false, 'a session hears of it from inside its own call');
    assert.deepEqual(seen.alive, [false, false]);
    assert.ok(seen.told.length >= 3 && seen.told.every((times) => times === 1), `told ${seen.told}`);
    assert.equal(seen.stats, null);
    assert.equal(said.filter((line) => line.includes('[core-dead]')).length, 1, said.join('\n'));
    await page.context().close();
  });
}

test('a core that never answers leaves the load to its session', async () => {
  const { page } = await open();
  const seen = await page.evaluate(async (core) => {
    const port = await startMesh({ core });
    port.host.enter((handle) => handle.testHook('mute'));
    const heard = begin(port, 'never/1');
    await wait(300);
    const quiet = heard.told.length;
    port.close();
    await wait(20);
    return [quiet, heard.told, port.alive];
  }, CORE);
  assert.deepEqual(seen, [0, ['dead'], false]);
  await page.context().close();
});

test('a body over HTTP arrives whole, though a listener of the page throws', async () => {
  const { page } = await open();
  const seen = await page.evaluate(async (core) => {
    const port = await startMesh({ core });
    const errors = [];
    const keep = (event) => { errors.push(String(event.reason ?? event.message)); event.preventDefault(); };
    addEventListener('error', keep);
    addEventListener('unhandledrejection', keep);
    port.onEvent(() => { throw new Error('from the page'); });
    const heard = begin(port, 'octets.wasm');
    port.host.enter((handle) => handle.tell('{"dance":1}', performance.now()));
    await until(() => heard.body && errors.length);
    return { errors, bytes: heard.body?.byteLength, alive: port.alive, told: heard.told };
  }, CORE);
  assert.equal(seen.bytes, wasm.length);
  assert.ok(seen.errors.length > 0 && seen.errors.every((error) => error.includes('from the page')), seen.errors.join());
  assert.ok(seen.alive && seen.told.includes('head') && seen.told.includes('bytes') && !seen.told.includes('dead'));
  await page.context().close();
});

test('media is asked for as the player asks: headers, fetchSetup, xhrSetup', async () => {
  const { page } = await open();
  requests.length = 0;
  const seen = await page.evaluate(async (core) => {
    const port = await startMesh({ core });
    const given = [];
    const headers = { 'X-Session': '1' };
    const fetchSetup = async (context, init) => {
      given.push([context.url, context.frag]);
      init.headers.set('X-Fetch', '2');
      return new Request(`${context.url}?signed`, init);
    };
    // Written for an opened request, as many are: HLS.js opens it and asks again.
    const xhrSetup = (xhr, url, context) => { given.push([url, context.frag]); xhr.setRequestHeader('X-Xhr', '3'); };
    const loads = [begin(port, 'octets.wasm', { headers, fetchSetup })];
    await until(() => loads[0].body);
    loads.push(begin(port, 'page.wasm', { headers, xhrSetup }));
    await until(() => loads[1].body);
    return { given, sizes: loads.map(({ body }) => body?.byteLength), told: loads[1].told };
  }, CORE);
  assert.deepEqual(seen.given, [['octets.wasm'], ['page.wasm'], ['page.wasm']].map(([name]) => [`${base}/${name}`, 'seven']));
  assert.deepEqual(seen.sizes, [wasm.length, 57]);
  assert.ok(seen.told.includes('head') && seen.told.includes('bytes'), seen.told.join());
  const [one, two] = requests.filter(({ headers }) => headers['x-session'] === '1');
  assert.deepEqual([one.url, one.headers['x-fetch']], ['/octets.wasm?signed', '2']);
  assert.deepEqual([two.url, two.headers['x-xhr']], ['/page.wasm', '3']);
  await page.context().close();
});

test('a page may close the mesh from inside a call of the core, which then gets nothing more', async () => {
  const { page, said } = await open();
  const seen = await page.evaluate(async (core) => {
    const errors = [];
    addEventListener('error', (event) => errors.push(String(event.message)));
    addEventListener('unhandledrejection', (event) => errors.push(String(event.reason)));
    const port = await startMesh({ core });
    const fetchSetup = (context, init) => {
      port.close();
      return new Request(context.url, init);
    };
    const heard = begin(port, 'octets.wasm', { fetchSetup });
    await wait(200);
    port.host.newBlob(1, 10);
    port.host.connect('ws://127.0.0.1:1');
    port.host.arm(performance.now());
    return { errors, alive: port.alive, dead: heard.told.filter((word) => word === 'dead').length, body: heard.body, blobs: port.host.blobs.join(Uint32Array.of(1, 0, 1)) ?? null, socket: port.host.socket.socket };
  }, CORE);
  assert.deepEqual(seen, { errors: [], alive: false, dead: 1, body: null, blobs: null, socket: null });
  assert.deepEqual(said, []);
  await page.context().close();
});

test('a core caught in a loop is cut off, and its module not used again', async () => {
  const { page, said } = await open();
  const seen = await page.evaluate(async (core) => {
    const port = await startMesh({ core });
    const heard = begin(port, 'never/1');
    port.host.enter((handle) => handle.testHook('spin'));
    const began = performance.now();
    begin(port, 'never/2');
    await wait(50);
    const again = await startMesh({ core }).then(() => 'started', (error) => error.message);
    return { alive: port.alive, dead: heard.told.filter((word) => word === 'dead').length, tookMs: performance.now() - began, again };
  }, CORE);
  assert.deepEqual([seen.alive, seen.dead], [false, 1]);
  assert.ok(seen.tookMs < 5000, `${seen.tookMs} ms`);
  assert.match(seen.again, /the module failed before: .*does not come to an end/);
  assert.equal(said.filter((line) => line.includes('[core-dead]')).length, 1, said.join('\n'));
  await page.context().close();
});

test('a failed load is told as HTTP told it', async () => {
  const { page } = await open();
  const faults = await page.evaluate(async (core) => {
    const port = await startMesh({ core });
    const fetchSetup = (context, init) => new Request(context.url, init);
    const loads = [begin(port, 'gone.m4s', { fetchSetup }), begin(port, 'gone.m4s', { xhrSetup: () => {} })];
    await until(() => loads.every(({ fault }) => fault));
    return loads.map(({ fault }) => fault);
  }, CORE);
  assert.deepEqual(faults, [
    { status: 404, text: 'Not Found', details: '[object Response]', timeout: false, limit: false },
    { status: 404, text: 'Not Found', details: '[object XMLHttpRequest]', timeout: false, limit: false },
  ]);
  await page.context().close();
});

test('a module that cannot be had is told with its reason', async () => {
  const { page } = await open();
  const why = (wasmUrl) => page.evaluate(
    ([core, wasmUrl]) => startMesh({ core, wasmUrl }).then(() => 'started', (error) => error.message),
    [CORE, wasmUrl],
  );
  assert.match(await why(`${base}/gone.wasm`), /gone\.wasm answered 404/);
  assert.match(await why(`${base}/page.wasm`), /page\.wasm \(text\/html\) is not a wasm module/);
  assert.match(await why('http://127.0.0.1:1/x.wasm'), /could not be fetched/);
  await page.evaluate(() => (self.integrity = `sha384-${'A'.repeat(64)}`));
  assert.match(await why(`${base}/octets.wasm`), /not the module that this SDK was built with/);
  await page.evaluate(() => (self.integrity = ''));
  assert.equal(await why(`${base}/octets.wasm`), 'started', 'another content type does no harm');
  await page.context().close();
});

for (const policy of ['', "worker-src 'none'"]) {
  test(`a hidden tab keeps the time ${policy ? 'without a Worker, too' : 'by a Worker'}`, async () => {
    const { page } = await open(policy);
    const seen = await page.evaluate(async (core) => {
      const port = await startMesh({ core });
      const { timer } = port.host;
      const rings = [];
      timer.fire = () => rings.push(performance.now());
      Object.defineProperty(document, 'hidden', { value: true });
      document.dispatchEvent(new Event('visibilitychange'));
      const at = performance.now() + 100;
      timer.arm(at + 5000);
      timer.arm(at);
      await until(() => rings.length);
      const byWorker = !!timer.worker;
      await wait(100);
      port.close();
      return { byWorker, rings: rings.length, early: rings[0] < at - 1, left: !!timer.worker };
    }, CORE);
    assert.deepEqual(seen, { byWorker: !policy, rings: 1, early: false, left: false });
    await page.context().close();
  });
}

test('where a policy of the page forbids wasm, the reason names the missing word', async () => {
  const { page } = await open("script-src 'self'");
  const start = `import('/wasm.js').then(({ startMesh }) => startMesh({ core: ${JSON.stringify(CORE)} }))`;
  const why = await page.evaluate(`${start}.then(() => 'started', (error) => error.message)`);
  assert.match(why, /wasm-unsafe-eval/);
  await page.context().close();
});
