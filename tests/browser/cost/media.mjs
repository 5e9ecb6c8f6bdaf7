// A stream whose segments are short: each fragment of the sample media becomes a segment, played at twice its speed,
// so that a live stream of it runs through thousands of segments in minutes. Nobody decodes it.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../lib/demo.mjs';

export const SEGMENT_MS = 250;
const FRAGMENT_MS = 500;
const LANES = ['v216', 'a64'];

/** Writes the stream below `folder`; returns how many segments one turn of its loop has. */
export function shortSegments(folder) {
  const media = path.join(ROOT, 'examples/media');
  const bodies = LANES.map((lane) => fragmentsOf(path.join(media, lane)));
  const count = Math.min(...bodies.map((list) => list.length));
  LANES.forEach((lane, i) => {
    const to = path.join(folder, lane);
    mkdirSync(to, { recursive: true });
    writeFileSync(path.join(to, 'init.mp4'), faster(readFileSync(path.join(media, lane, 'init.mp4'))));
    const lines = ['#EXTM3U', '#EXT-X-VERSION:7', '#EXT-X-TARGETDURATION:1', '#EXT-X-MEDIA-SEQUENCE:0', '#EXT-X-PLAYLIST-TYPE:VOD', '#EXT-X-MAP:URI="init.mp4"'];
    bodies[i].slice(0, count).forEach((body, n) => {
      writeFileSync(path.join(to, `seg_${n}.m4s`), body);
      lines.push(`#EXTINF:${(SEGMENT_MS / 1000).toFixed(3)},`, `seg_${n}.m4s`);
    });
    writeFileSync(path.join(to, 'index.m3u8'), `${lines.join('\n')}\n#EXT-X-ENDLIST\n`);
  });
  writeFileSync(path.join(folder, 'master.m3u8'), readFileSync(path.join(media, 'master.m3u8'), 'utf8').replace(/#EXT-X-STREAM-INF:[^\n]*\n(?!v216)[^\n]*\n/g, ''));
  return count;
}

function fragmentsOf(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.m4s')).sort((a, b) => parseInt(a.slice(4), 10) - parseInt(b.slice(4), 10));
  return names.flatMap((name) => fragments(readFileSync(path.join(folder, name))));
}

/** The same samples in less time: a finer time scale. */
function faster(init) {
  const at = init.indexOf('mdhd') + 16; // version and flags, creation, modification
  init.writeUInt32BE(init.readUInt32BE(at) * (FRAGMENT_MS / SEGMENT_MS), at);
  return init;
}

/** Cut before each moof (with whatever stands before it). */
function fragments(segment) {
  const found = [];
  let start = 0;
  for (let at = 0; at + 8 <= segment.length; at += segment.readUInt32BE(at)) {
    if (segment.toString('latin1', at + 4, at + 8) !== 'mdat') continue;
    const end = at + segment.readUInt32BE(at);
    found.push(segment.subarray(start, end));
    start = end;
  }
  return found;
}
