// A ladder of three rungs: the demo's two renditions and a third one, made once by ffmpeg and kept below target/.
//
// Same loop as examples/media (24 s, 4 s segments of eight 0.5 s fragments, every boundary exact), so that the demo can
// repeat and sign it like the rest.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../lib/demo.mjs';

const MEDIA = path.join(ROOT, 'examples/media');
const CACHE = path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'abr-media');
const TOP = { name: 'v480', width: 854, height: 480, bps: 1_600_000 };
const SEGMENTS = 6;
const FRAGMENTS_PER_SEGMENT = 8;
const SECONDS = 4;
const STYP = Buffer.from('0000001873747970' + '6d736468' + '00000000' + '6d736468' + '636d6673', 'hex');

/** The folder of the ladder; bit rates are in its master playlist. */
export function ladder() {
  if (existsSync(path.join(CACHE, 'master.m3u8'))) return CACHE;
  mkdirSync(path.dirname(CACHE), { recursive: true });
  // Made beside it and moved there whole: another job may do the same now.
  const made = mkdtempSync(`${CACHE}-`);
  cpSync(MEDIA, made, { recursive: true });
  const file = path.join(made, 'top.mp4');
  encode(file);
  const peak = cut(file, path.join(made, TOP.name));
  rmSync(file);
  addRung(path.join(made, 'master.m3u8'), peak);
  try {
    renameSync(made, CACHE);
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    if (!existsSync(path.join(CACHE, 'master.m3u8'))) throw error;
  }
  return CACHE;
}

/** Bit rates of the rungs as the master playlist tells them, lowest first. */
export function rungs(folder = ladder()) {
  const lines = readFileSync(path.join(folder, 'master.m3u8'), 'utf8').match(/(?<=:BANDWIDTH=)\d+/g);
  return lines.map(Number).sort((a, b) => a - b);
}

function encode(file) {
  const { width, height, bps } = TOP;
  execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', '-nostdin',
    '-f', 'lavfi', '-i', `testsrc2=size=${width}x${height}:rate=24:duration=24`, '-vf', 'noise=alls=14:allf=t',
    '-c:v', 'libx264', '-preset', 'veryfast', '-threads', '2', '-profile:v', 'main', '-pix_fmt', 'yuv420p',
    '-b:v', bps, '-maxrate', bps, '-bufsize', bps, '-x264-params', 'keyint=96:min-keyint=96:scenecut=0:open-gop=0:bframes=0',
    '-bitexact', '-movflags', '+empty_moov+default_base_moof+frag_keyframe+skip_trailer', '-frag_duration', '500000',
    '-use_editlist', '0', '-video_track_timescale', '12288', file].map(String), { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Cuts ffmpeg's own fragments into segments; returns the peak bit rate. */
function cut(file, folder) {
  const { init, fragments } = fragmentsOf(readFileSync(file));
  const expected = SEGMENTS * FRAGMENTS_PER_SEGMENT;
  if (fragments.length !== expected) throw new Error(`ffmpeg made ${fragments.length} fragments, not ${expected}`);
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'init.mp4'), init);
  const lines = ['#EXTM3U', '#EXT-X-VERSION:7', `#EXT-X-TARGETDURATION:${SECONDS}`, '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD', '#EXT-X-INDEPENDENT-SEGMENTS', '#EXT-X-MAP:URI="init.mp4"'];
  let peak = 0;
  for (let s = 0; s < SEGMENTS; s += 1) {
    const body = Buffer.concat([STYP, ...fragments.slice(s * FRAGMENTS_PER_SEGMENT, (s + 1) * FRAGMENTS_PER_SEGMENT)]);
    writeFileSync(path.join(folder, `seg_${s}.m4s`), body);
    lines.push(`#EXTINF:${SECONDS}.000000,`, `seg_${s}.m4s`);
    peak = Math.max(peak, Math.ceil((body.length * 8) / SECONDS));
  }
  writeFileSync(path.join(folder, 'index.m3u8'), [...lines, '#EXT-X-ENDLIST', ''].join('\n'));
  return peak;
}

function fragmentsOf(bytes) {
  const all = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32BE(at);
    all.push({ type: bytes.toString('latin1', at + 4, at + 8), bytes: bytes.subarray(at, at + size) });
    at += size;
  }
  const init = Buffer.concat(all.filter((b) => b.type === 'ftyp' || b.type === 'moov').map((b) => b.bytes));
  const fragments = all.flatMap((b, i) => (b.type === 'moof' ? [Buffer.concat([b.bytes, all[i + 1].bytes])] : []));
  return { init, fragments };
}

/** A third rung beside those of the demo, audio counted in. */
function addRung(master, peak) {
  const text = readFileSync(master, 'utf8').trimEnd();
  const model = text.split('\n').find((line) => line.startsWith('#EXT-X-STREAM-INF:'));
  const audio = 67_000;
  const line = model
    .replace(/(?<=:BANDWIDTH=)\d+/, String(peak + audio))
    .replace(/(?<=AVERAGE-BANDWIDTH=)\d+/, String(TOP.bps + audio))
    .replace(/RESOLUTION=\d+x\d+/, `RESOLUTION=${TOP.width}x${TOP.height}`);
  writeFileSync(master, `${text}\n${line}\n${TOP.name}/index.m3u8\n`);
}
