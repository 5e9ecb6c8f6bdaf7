// Copies per byte and crossings per chunk, counted in one viewer that gets from peers, from the origin, and gives.

import assert from 'node:assert/strict';
import { pause } from '../lib/viewers.mjs';
import { countsCost } from './counting.mjs';

const WATCH_MS = 6000;
/** Of each kind, before anything is judged. */
const ENOUGH_BYTES = 300_000;
const MIB = 1024 * 1024;
/** Heads, lists and the odd chunk that was on its way at the end. */
const SLACK = 1.05;

export async function copies(job) {
  const first = await job.mesh('first', { hash: 0, frags: 0 });
  await first.playing();
  await pause(3000);
  const counted = await job.mesh('counted', { hash: 0, frags: 0 }, { faults: [countsCost] });
  await counted.playing(15_000);
  const moved = () => counted.page.evaluate(() => Math.min(window.__cost.received, window.__cost.streamed));
  await counted.until('bytes from peers and over HTTP', async () => (await moved()) > ENOUGH_BYTES, 40_000);
  await pause(WATCH_MS);
  const { cost, report } = await counted.page.evaluate(() => ({ cost: { ...window.__cost, memory: window.__cost.memory.buffer.byteLength }, report: window.viewer.report() }));
  const most = asDrawn(cost, report);
  const calls = crossings(cost.into);
  const figures = { perByte: { copied: cost.copied / most.copied, intoWasm: cost.intoWasm / most.intoWasm }, calls, wasmBytes: cost.memory };
  job.note = JSON.stringify({ ...figures, copied: cost.copied, drawn: most, into: cost.into });
  assert.ok(cost.copied <= most.copied * SLACK, `${cost.copied} B copied between buffers where ${most.copied} are drawn`);
  assert.ok(cost.intoWasm <= most.intoWasm * SLACK, `${cost.intoWasm} B copied into wasm where ${most.intoWasm} are drawn`);
  assert.equal(cost.outOfWasm, 0, 'media came out of wasm');
  assert.ok(cost.memory < 8 * MIB, `the module has ${cost.memory} B of memory`);
  for (const { name, perChunk, out } of calls) assert.ok(perChunk <= 2.05, `${perChunk.toFixed(2)} calls out of wasm per chunk in ${name}: ${JSON.stringify(out)}`);
  const times = (n) => n.toFixed(2);
  return {
    figures,
    text: `${times(cost.copied / 1e6)} MB copied where ${times(most.copied / 1e6)} MB are drawn, ${times(cost.intoWasm / 1e6)} of ${times(most.intoWasm / 1e6)} MB into wasm; `
      + `${calls.map((c) => `${c.name} ${c.chunks} chunks, ${times(c.perChunk)} calls out each`).join('; ')}; wasm memory ${times(cost.memory / MIB)} MiB`,
  };
}

/**
 * The design's drawing: a byte from a peer or of a streamed body is copied into the module once, to be hashed, and into
 * a blob once; a delivered byte is copied out of its blob once, a sent one into its frame once. A body that the player
 * loaded by itself is copied once and hashed once.
 */
function asDrawn({ received, streamed, sent, control }, { sdk, segments }) {
  const sum = (ways) => segments.filter((s) => ways.includes(s.way)).reduce((all, s) => all + s.bytes, 0);
  const plain = sum(['plain', 'takeover']);
  return { copied: received + streamed + sum(['mesh']) + sent + plain, intoWasm: received + control + streamed + plain, loads: sdk.loads };
}

/** Made for a chunk, or for a piece of it of 64 KiB; other calls are made for a fragment that became complete. */
const PER_CHUNK = ['fill', 'blobPut', 'arm', 'soon', 'blobRead'];

/** Calls out of wasm for each message or chunk that came in. */
function crossings(into) {
  return ['peerData', 'httpChunk'].map((name) => {
    const seen = Object.entries(into).find(([export_]) => export_.toLowerCase().endsWith(name.toLowerCase()))?.[1] ?? { calls: 0, out: {} };
    const out = PER_CHUNK.reduce((sum, import_) => sum + (seen.out[import_] ?? 0), 0);
    // A chunk of more than 64 KiB is taken in pieces, each a chunk of its own.
    const chunks = Math.max(1, seen.calls, seen.out.fill ?? 0);
    return { name, chunks, perChunk: out / chunks, out: seen.out, atOnce: seen.atOnce };
  });
}
