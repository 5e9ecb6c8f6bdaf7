// Thousands of segments: viewers without pictures follow an accelerated live stream, and nothing may grow.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHash } from 'node:crypto';
import { startDemo } from '../lib/demo.mjs';
import { FaultProxy } from '../lib/proxy.mjs';
import { pause } from '../lib/viewers.mjs';
import { watchesMemory } from './counting.mjs';
import { SEGMENT_MS, shortSegments } from './media.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const MIB = 1024 * 1024;
const STORE = 2 * MIB;
const LANES = 2;

/** `growth`: bytes by which the module's memory may differ between the halves of the warm time. */
export async function soak(job, { viewers: count, seconds, warmSeconds, growth }) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'meshedflow-soak-'));
  const closers = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    shortSegments(folder);
    const demo = await startDemo({ accessLog: path.join(folder, 'access.jsonl'), media: folder, more: ['--window', '60'] });
    closers.push(() => demo.stop());
    const proxy = await FaultProxy.start(demo.url);
    closers.push(() => proxy.stop());
    proxy.answer('soak page', /\/soak\.(html|js)$/, ({ pathname }) => ({
      body: readFileSync(path.join(HERE, path.basename(pathname))),
      type: pathname.endsWith('.js') ? 'text/javascript' : 'text/html',
    }));
    const pages = [];
    for (let i = 0; i < count; i += 1) pages.push(await open(job.browser, proxy.url, `soak-${i}`));
    return await run(pages, demo.url, { seconds, warmSeconds, growth, job });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function open(browser, base, name) {
  const page = await (await browser.newContext()).newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.addInitScript(watchesMemory);
  await page.goto(`${base}/soak.html?name=${name}&memory=${STORE}`);
  const cdp = await page.context().newCDPSession(page);
  return { name, page, cdp, errors };
}

async function run(pages, origin, { seconds, warmSeconds, growth, job }) {
  const truth = new Map();
  const compared = [];
  const samples = pages.map(() => []);
  const began = Date.now();
  const every = Math.max(3, seconds / 40) * 1000;
  while (Date.now() < began + seconds * 1000) {
    await pause(every);
    for (const [i, viewer] of pages.entries()) {
      samples[i].push(await sample(viewer, (Date.now() - began) / 1000));
      compared.push(await compare(viewer, origin, truth));
    }
  }
  const last = samples.map((s) => s.at(-1));
  job.note = JSON.stringify(last);
  const expected = LANES * (seconds * 1000) / SEGMENT_MS;
  const lines = pages.map((viewer, i) => verdict(viewer, samples[i], { warmSeconds, growth, expected }));
  const all = compared.reduce((a, b) => a + b, 0);
  const loaded = last.reduce((sum, s) => sum + s.loaded, 0);
  assert.ok(all >= 0.9 * loaded, `only ${all} of ${loaded} segments were compared with the origin`);
  return { figures: { samples }, text: `${loaded} segments loaded, ${all} compared; ${lines.join('; ')}` };
}

async function sample({ page, cdp }, at) {
  await cdp.send('HeapProfiler.collectGarbage');
  const heap = await cdp.send('Runtime.getHeapUsage');
  const state = await page.evaluate(() => window.soak?.state() ?? null);
  const { nodes, jsEventListeners } = await cdp.send('Memory.getDOMCounters');
  return { at, heap: heap.usedSize, buffers: heap.backingStorageSize ?? 0, nodes, jsEventListeners, ...state };
}

function verdict({ name, errors }, samples, { warmSeconds, growth, expected }) {
  const last = samples.at(-1);
  assert.deepEqual(errors, [], `${name}: errors of the page`);
  assert.deepEqual(last.failed, [], `${name}: loads that failed`);
  assert.ok(last.loaded >= 0.75 * expected, `${name} loaded ${last.loaded} segments where ${expected} came out`);
  assert.ok(last.gaps === 0, `${name} lost ${last.gaps} segments`);
  assert.ok(last.open <= 2, `${name} has ${last.open} loads open`);
  assert.equal(last.stats.state, 'on', `${name}: the core is ${last.stats.state}`);
  assert.ok(last.fromPeers > 0.1 * last.bytes, `${name} got ${last.fromPeers} of ${last.bytes} B from peers`);
  assert.ok(finite(last.stats), `${name}: counters that are no numbers: ${JSON.stringify(last.stats)}`);
  const warm = samples.filter((s) => s.at >= warmSeconds);
  for (const s of warm) {
    assert.ok(s.memory > 0 && s.memory < 8 * MIB, `${name}: the module has ${s.memory} B of memory at ${s.at} s`);
    assert.ok(s.stats.mesh.storedBytes <= STORE + MIB / 2, `${name}: ${s.stats.mesh.storedBytes} B stored at ${s.at} s`);
    assert.ok(s.buffers <= STORE + s.memory + 4 * MIB, `${name}: ${s.buffers} B of buffers at ${s.at} s`);
  }
  const half = warm.slice(warm.length >> 1);
  const before = warm.slice(0, warm.length >> 1);
  const most = (list, key) => Math.max(...list.map((s) => s[key]));
  assert.ok(most(half, 'memory') <= most(before, 'memory') + growth, `${name}: wasm memory grew from ${most(before, 'memory')} to ${most(half, 'memory')} B`);
  assert.ok(most(half, 'heap') <= most(before, 'heap') + MIB, `${name}: the heap grew from ${most(before, 'heap')} to ${most(half, 'heap')} B`);
  assert.ok(most(half, 'jsEventListeners') <= most(before, 'jsEventListeners') + 16, `${name}: listeners grew from ${most(before, 'jsEventListeners')} to ${most(half, 'jsEventListeners')}`);
  const mib = (bytes) => (bytes / MIB).toFixed(2);
  return `${name}: ${last.loaded} segments, ${Math.round((100 * last.fromPeers) / last.bytes)} % from peers, wasm ${mib(last.memory)} MiB, `
    + `heap ${mib(most(before, 'heap'))} then ${mib(most(half, 'heap'))} MiB, buffers ${mib(most(warm, 'buffers'))} MiB, stored ${mib(last.stats.mesh.storedBytes)} MiB`;
}

function finite(value) {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || typeof value !== 'object' || Object.values(value).every(finite);
}

async function compare({ name, page }, origin, truth) {
  const digests = await page.evaluate(() => window.soak?.digests() ?? []);
  for (const [url, bytes, sha256] of digests) {
    if (!truth.has(url)) {
      const answer = await fetch(`${origin}${url}?witness=1`);
      const body = Buffer.from(await answer.arrayBuffer());
      truth.set(url, { ok: answer.ok, bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') });
    }
    const { ok, ...rest } = truth.get(url);
    if (ok) assert.deepEqual({ bytes, sha256 }, rest, `${name}: ${url} differs from the origin's`);
  }
  return digests.filter(([url]) => truth.get(url).ok).length;
}
