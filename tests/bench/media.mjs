// The media of the bench, made once below target/: 480p at 1.6 Mb/s beside AAC at 64 kb/s, segments of 4 s with eight
// fragments. One rendition, so that no ABR decides what is compared. A loop of 24 s for live streams, and for VOD the same
// loop several times in a row, its times moved on.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ladder } from '../browser/abr/ladder.mjs';
import { binary } from '../browser/lib/demo.mjs';

const LANES = ['v480', 'a64'];
const LOOP_SECONDS = 24;
export const SEGMENT_SECONDS = 4;
export const STREAM = 'bench';

/** The folder of the loop. */
export function loop(cache) {
  return made(path.join(cache, 'media-live'), (folder) => copyLoop(folder, 1));
}

/** The folder of a film of so many seconds at least, signed with `key`. */
export function film(cache, seconds) {
  const times = Math.ceil(seconds / LOOP_SECONDS);
  const folder = made(path.join(cache, `media-vod-${times}`), (making) => {
    copyLoop(making, times);
    execFileSync(binary(), ['keys', 'generate', path.join(making, 'bench.key')], { stdio: 'pipe' });
  });
  // Anew each time: what was signed more than an hour before the server began, its key set does not vouch for.
  execFileSync(binary(), ['origin', 'sign', '--stream', STREAM, '--key', path.join(folder, 'bench.key'), folder], { stdio: 'pipe' });
  return folder;
}

/** Bits per second of a folder's media: what one viewer of all lanes needs. */
export function bitsPerSecond(folder) {
  let bytes = 0;
  let seconds = 0;
  for (const lane of LANES) {
    const names = readdirSync(path.join(folder, lane)).filter((name) => name.endsWith('.m4s'));
    bytes += names.reduce((sum, name) => sum + statSync(path.join(folder, lane, name)).size, 0);
    seconds = names.length * SEGMENT_SECONDS;
  }
  return (8 * bytes) / seconds;
}

/** Made beside it and moved there whole: another bench may do the same now. */
function made(folder, make) {
  if (existsSync(path.join(folder, 'master.m3u8'))) return folder;
  mkdirSync(path.dirname(folder), { recursive: true });
  const making = mkdtempSync(`${folder}-`);
  try {
    make(making);
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(path.join(folder, 'master.m3u8'))) throw error;
  }
  return folder;
}

function copyLoop(folder, times) {
  const from = ladder();
  for (const lane of LANES) copyLane(path.join(from, lane), path.join(folder, lane), times);
  // Of the ladder only the top rung.
  const lines = readFileSync(path.join(from, 'master.m3u8'), 'utf8').split('\n');
  const kept = lines.filter((line, i) => !(line.startsWith('#EXT-X-STREAM-INF') && !lines[i + 1].startsWith(LANES[0])) && !(/^v\d/.test(line) && !line.startsWith(LANES[0])));
  writeFileSync(path.join(folder, 'master.m3u8'), kept.join('\n'));
}

function copyLane(from, to, times) {
  mkdirSync(to);
  writeFileSync(path.join(to, 'init.mp4'), readFileSync(path.join(from, 'init.mp4')));
  const count = readdirSync(from).filter((name) => name.endsWith('.m4s')).length;
  const scale = timescale(readFileSync(path.join(from, 'init.mp4')));
  for (let n = 0; n < count * times; n += 1) {
    const segment = readFileSync(path.join(from, `seg_${n % count}.m4s`));
    delay(segment, LOOP_SECONDS * Math.floor(n / count) * scale);
    writeFileSync(path.join(to, `seg_${n}.m4s`), segment);
  }
  const [head] = readFileSync(path.join(from, 'index.m3u8'), 'utf8').split(/(?=#EXTINF)/);
  const durations = readFileSync(path.join(from, 'index.m3u8'), 'utf8').match(/#EXTINF:[^\n]+/g);
  const entries = Array.from({ length: count * times }, (_, n) => `${durations[n % count]}\nseg_${n}.m4s`);
  writeFileSync(path.join(to, 'index.m3u8'), `${head}${entries.join('\n')}\n#EXT-X-ENDLIST\n`);
}

function timescale(init) {
  return init.readUInt32BE(init.indexOf('mdhd') + 16); // version and flags, creation, modification
}

/** Moves every fragment of a segment on by so many units. */
function delay(segment, units) {
  for (let at = segment.indexOf('tfdt'); at >= 0; at = segment.indexOf('tfdt', at + 4)) {
    const size = segment.readUInt32BE(at - 4);
    if (size !== 16 && size !== 20) continue; // the same four letters by chance, in what was filmed
    if (segment[at + 4] === 1) segment.writeBigUInt64BE(segment.readBigUInt64BE(at + 8) + BigInt(units), at + 8);
    else segment.writeUInt32BE(segment.readUInt32BE(at + 8) + units, at + 8);
  }
}
