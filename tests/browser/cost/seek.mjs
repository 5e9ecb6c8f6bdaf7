// Seek against plain HLS.js: five pairs, alternately first, back to the start of the live window and again to its end.

import assert from 'node:assert/strict';
import { pause } from '../lib/viewers.mjs';

const PAIRS = 5;
const MORE_MS = 100; // what the mesh may cost: median and worst of five pairs

export async function seek(job) {
  const first = await job.mesh('already-there', { hash: 0, frags: 0 });
  await first.playing();
  await pause(8000);
  const viewers = { plain: await job.plain('seeks-plain', { hash: 0, frags: 0 }), mesh: await job.mesh('seeks-mesh', { hash: 0, frags: 0 }) };
  for (const viewer of Object.values(viewers)) await viewer.playing();
  await pause(8000);
  await one(viewers.plain, 'start');
  await one(viewers.mesh, 'start');
  const times = { plain: [], mesh: [] };
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const to = pair % 2 ? 'start' : 'end';
    for (const kind of pair % 2 ? ['mesh', 'plain'] : ['plain', 'mesh']) times[kind].push(await one(viewers[kind], to));
  }
  const [plain, mesh] = [summary(times.plain), summary(times.mesh)];
  const text = `plain median ${plain.median} worst ${plain.worst} ms, mesh median ${mesh.median} worst ${mesh.worst} ms`;
  assert.ok(mesh.median <= plain.median + MORE_MS, `median more than ${MORE_MS} ms later: ${text}`);
  assert.ok(mesh.worst <= plain.worst + MORE_MS, `worst more than ${MORE_MS} ms later: ${text}`);
  return { figures: { plain, mesh }, text };
}

/** From the seek to the first frame of the new place, whose media was dropped from the buffer before. */
async function one(viewer, to) {
  const ms = await viewer.page.evaluate(async (where) => {
    const video = document.querySelector('video');
    const { hls } = window.viewer;
    // What is buffered needs no loader: the buffer is emptied, as if the player had never been there.
    hls.trigger('hlsBufferFlushing', { startOffset: 0, endOffset: Infinity, type: null });
    await new Promise((done) => { hls.once('hlsBufferFlushed', done); setTimeout(done, 500); });
    const { details } = hls.levels[hls.currentLevel < 0 ? 0 : hls.currentLevel];
    const target = where === 'start' ? details.fragments[1].start + 0.5 : (hls.liveSyncPosition ?? details.edge - 12);
    const began = performance.now();
    return new Promise((done, fail) => {
      const late = setTimeout(() => fail(new Error(`no frame ${video.currentTime} for ${target}`)), 10_000);
      const frame = (now, { mediaTime }) => {
        if (Math.abs(mediaTime - target) > 1.5) return video.requestVideoFrameCallback(frame);
        clearTimeout(late);
        return done(performance.now() - began);
      };
      video.requestVideoFrameCallback(frame);
      video.currentTime = target;
    });
  }, to);
  await pause(2500);
  return Math.round(ms);
}

function summary(times) {
  const sorted = [...times].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], worst: sorted.at(-1), all: times };
}
