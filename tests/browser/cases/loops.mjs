// Loops of what ffmpeg's HLS muxer makes, each over at least one border of rounds: plain HLS.js and two viewers who share.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { bytesEqualOrigin, noWorseThan, quiet, requestsInLog, statsComplete } from '../lib/checks.mjs';
import { ROOT } from '../lib/demo.mjs';
import { join } from './playback.mjs';

const CACHE = path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'loop-media');
const SEGMENTS = 6; // of a round
const SECONDS = 2; // of a segment
const AHEAD_S = 8; // more than a live player has in hand

/** What ffmpeg is told, how segments are called live, and whether rounds are told apart by discontinuities. */
const KINDS = {
  mp4: { flags: ['-hls_segment_type', 'fmp4'], file: /\/seg_\d+\.m4s$/, jumps: false },
  ts: { flags: [], file: /\/seg_\d+\.ts$/, jumps: true },
  'mp4-ranges': { flags: ['-hls_segment_type', 'fmp4', '-hls_flags', 'single_file'], file: /\/seg_\d+\.m4s$/, jumps: false },
  // Video and sound in one directory, a multivariant playlist beside them.
  'mp4-apart': {
    flags: ['-hls_segment_type', 'fmp4', '-master_pl_name', 'main.m3u8', '-var_stream_map', 'v:0,agroup:sound a:0,agroup:sound,default:yes'],
    playlist: 'film_%v.m3u8', file: /\/r\d_seg_\d+\.m4s$/, jumps: false,
  },
  'ts-ranges': { flags: ['-hls_flags', 'single_file'], file: /\/file_0\.ts$/, jumps: true },
};

export const cases = [
  ...Object.keys(KINDS).map((kind) => ({ name: `loop-${kind}`, limitMs: 90_000, media: () => media(kind), run: (job) => loop(job, kind, '1.7') })),
  ...['1.5', '1.6'].map((version) => ({ name: `loop-ts-${version}`, limitMs: 90_000, media: () => media('ts'), run: (job) => loop(job, 'ts', version) })),
];

async function loop(job, kind, version) {
  const { file, jumps } = KINDS[kind];
  const plain = await job.plain('plain', { hls: version });
  const viewers = await join(job, 2, { hls: version });
  for (const viewer of [plain, ...viewers]) {
    await viewer.until('two borders of rounds', async () => rounds(await viewer.fragments()).length >= 3, 60_000);
    // What was loaded last is played, too.
    const from = await viewer.page.evaluate(() => document.querySelector('video').currentTime);
    await viewer.page.waitForFunction((at) => document.querySelector('video').currentTime > at, from + AHEAD_S, { timeout: 20_000 });
  }
  const [first, ...ours] = await job.viewers.reports();
  noWorseThan([first], ours);
  for (const viewer of viewers) {
    const seen = await viewer.page.evaluate(() => window.viewer.hls.levels[0].details.fragments.map(({ sn, cc }) => [sn, cc]));
    for (const [sn, cc] of seen) assert.equal(cc, jumps ? Math.floor(sn / SEGMENTS) : 0, `${viewer.name}: segment ${sn} in discontinuity ${cc}`);
    const { warnings, sdk } = await viewer.report();
    assert.equal(sdk.mesh.sharing, 'on', `${viewer.name}: ${JSON.stringify(warnings)}`);
    assert.deepEqual(warnings, [], `${viewer.name}: warnings`);
    const media = (await viewer.fragments()).filter((f) => f.kind === 'media');
    assert.ok(media.every((f) => file.test(new URL(f.url).pathname)), `${viewer.name}: other names than ${file}`);
  }
  const shared = sharedRounds(ours[1]);
  assert.ok(shared.length >= 2, `viewer-2 got bytes from its neighbour in rounds ${shared} only`);
  const compared = await bytesEqualOrigin(job.witness, viewers);
  for (const viewer of viewers) statsComplete(viewer.name, await viewer.fragments());
  const requests = requestsInLog(viewers, job.demo.log());
  await quiet(viewers);
  const stalls = [first, ...ours].map((r) => r.stalls.count).join('/');
  return `${ours.map((r) => r.fromPeers).join('/')} B from peers in rounds ${shared}, stalls ${stalls} (plain first), ${compared} payloads equal, ${requests} requests in the log`;
}

/** Rounds of which a segment was received. */
function rounds(fragments) {
  return distinct(fragments.filter((f) => f.kind === 'media').map((f) => f.sn));
}

function sharedRounds(report) {
  return distinct(report.segments.filter((s) => s.fromPeers > 0).map((s) => s.sn));
}

function distinct(numbers) {
  return [...new Set(numbers.filter(Number.isInteger).map((sn) => Math.floor(sn / SEGMENTS)))];
}

/** The folder of a kind, made once by ffmpeg and kept below target/. */
function media(kind) {
  const folder = path.join(CACHE, kind);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  // Made beside it and moved there whole: another job may do the same now.
  const made = mkdtempSync(`${folder}-`);
  const length = SEGMENTS * SECONDS;
  const { flags, playlist = 'film.m3u8' } = KINDS[kind];
  execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin',
    '-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${length}`, '-f', 'lavfi', '-i', `sine=frequency=330:sample_rate=48000:duration=${length}`,
    '-c:v', 'libx264', '-preset', 'veryfast', '-threads', '1', '-profile:v', 'main', '-pix_fmt', 'yuv420p', '-b:v', '500k', '-g', `${25 * SECONDS}`, '-keyint_min', `${25 * SECONDS}`, '-sc_threshold', '0',
    '-c:a', 'aac', '-b:a', '64k', '-bitexact', '-f', 'hls', '-hls_time', `${SECONDS}`, '-hls_playlist_type', 'vod', ...flags, path.join(made, playlist)], { stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    renameSync(made, folder);
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
