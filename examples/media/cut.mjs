// Cuts what make.sh encoded into CMAF segments: `node cut.mjs WORK OUT`.
//
// Video: ffmpeg's own fragments, eight to a segment. Audio: ffmpeg cannot place fragment boundaries on the
// nearest AAC frame of a half second, so the frames are taken from the ADTS stream and their moof boxes are
// written here.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [work, out] = process.argv.slice(2);
const SEGMENTS = 6;
const FRAGMENTS_PER_SEGMENT = 8;
const AAC_FRAMES = 1125;
const AAC_SAMPLES = 1024;
// One frame of encoder priming, then the first of the three repetitions.
const AAC_SKIPPED = 1 + AAC_FRAMES;

const u32 = (...values) => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => bytes.writeUInt32BE(value >>> 0, 4 * at));
  return bytes;
};
const box = (type, ...parts) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
};

function* boxes(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    yield { type: bytes.toString('latin1', at + 4, at + 8), bytes: bytes.subarray(at, at + size) };
    at += size;
  }
}

/** The init segment and the moof+mdat pairs of a fragmented file. */
function fragmentsOf(file) {
  const bytes = readFileSync(file);
  const all = [...boxes(bytes)];
  const init = Buffer.concat(all.filter((b) => b.type === 'ftyp' || b.type === 'moov').map((b) => b.bytes));
  const fragments = [];
  all.forEach((b, i) => {
    if (b.type === 'moof') fragments.push(Buffer.concat([b.bytes, all[i + 1].bytes]));
  });
  return { init, fragments };
}

/** The AAC frames of an ADTS stream, headers removed. */
function framesOf(file) {
  const bytes = readFileSync(file);
  const frames = [];
  for (let at = 0; at + 7 <= bytes.length; ) {
    const length = ((bytes[at + 3] & 3) << 11) | (bytes[at + 4] << 3) | (bytes[at + 5] >> 5);
    const header = bytes[at + 1] & 1 ? 7 : 9;
    frames.push(bytes.subarray(at + header, at + length));
    at += length;
  }
  return frames;
}

/** One audio fragment: frames `first..first + frames.length` of the loop. */
function audioFragment(sequence, first, frames) {
  const build = (dataOffset) =>
    box(
      'moof',
      box('mfhd', u32(0, sequence)),
      box(
        'traf',
        // default-base-is-moof, default sample duration and flags (every AAC frame is a sync sample)
        box('tfhd', u32(0x020028, 1, AAC_SAMPLES, 0x02000000)),
        box('tfdt', u32(0x01000000, 0, first * AAC_SAMPLES)),
        box('trun', u32(0x000201, frames.length, dataOffset, ...frames.map((f) => f.length))),
      ),
    );
  const moof = build(build(0).length + 8);
  return Buffer.concat([moof, box('mdat', ...frames)]);
}

/** Frame number nearest to a time in seconds. */
const frameAt = (seconds) => Math.round((seconds * 48000) / AAC_SAMPLES);

function audioSegments() {
  const frames = framesOf(join(work, 'a64.aac')).slice(AAC_SKIPPED, AAC_SKIPPED + AAC_FRAMES);
  if (frames.length !== AAC_FRAMES) throw new Error(`expected ${AAC_FRAMES} AAC frames, got ${frames.length}`);
  return Array.from({ length: SEGMENTS }, (_, segment) => {
    const edges = Array.from({ length: FRAGMENTS_PER_SEGMENT + 1 }, (_, i) => frameAt(4 * segment + i / 2));
    const fragments = edges.slice(1).map((end, i) =>
      audioFragment(segment * FRAGMENTS_PER_SEGMENT + i + 1, edges[i], frames.slice(edges[i], end)),
    );
    return { seconds: ((edges.at(-1) - edges[0]) * AAC_SAMPLES) / 48000, fragments };
  });
}

function videoSegments(name) {
  const { init, fragments } = fragmentsOf(join(work, `${name}.mp4`));
  const expected = SEGMENTS * FRAGMENTS_PER_SEGMENT;
  if (fragments.length !== expected) throw new Error(`${name}: ${fragments.length} fragments, not ${expected}`);
  const segments = Array.from({ length: SEGMENTS }, (_, s) => ({
    seconds: 4,
    fragments: fragments.slice(s * FRAGMENTS_PER_SEGMENT, (s + 1) * FRAGMENTS_PER_SEGMENT),
  }));
  return { init, segments };
}

const STYP = box('styp', Buffer.from('msdh'), u32(0), Buffer.from('msdhcmfs'));

/** Writes one rendition; answers its peak and average bits per second. */
function write(name, init, segments) {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'init.mp4'), init);
  const lines = ['#EXTM3U', '#EXT-X-VERSION:7', '#EXT-X-TARGETDURATION:4', '#EXT-X-MEDIA-SEQUENCE:0'];
  lines.push('#EXT-X-PLAYLIST-TYPE:VOD', '#EXT-X-INDEPENDENT-SEGMENTS', '#EXT-X-MAP:URI="init.mp4"');
  let total = 0;
  let peak = 0;
  segments.forEach(({ seconds, fragments }, i) => {
    const bytes = Buffer.concat([STYP, ...fragments]);
    writeFileSync(join(folder, `seg_${i}.m4s`), bytes);
    lines.push(`#EXTINF:${seconds.toFixed(6)},`, `seg_${i}.m4s`);
    total += bytes.length;
    peak = Math.max(peak, (bytes.length * 8) / seconds);
  });
  writeFileSync(join(folder, 'index.m3u8'), [...lines, '#EXT-X-ENDLIST', ''].join('\n'));
  return { peak: Math.ceil(peak), average: Math.ceil((total * 8) / 24) };
}

/** `avc1.PPCCLL` from the avcC box of an init segment. */
function avcCodec(init) {
  const at = init.indexOf('avcC') + 5;
  return `avc1.${init.toString('hex', at, at + 3)}`;
}

const audio = write('a64', fragmentsOf(join(work, 'a64.mp4')).init, audioSegments());
const master = ['#EXTM3U', '#EXT-X-VERSION:7', '#EXT-X-INDEPENDENT-SEGMENTS'];
master.push(
  '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="main",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="a64/index.m3u8"',
);
for (const [name, resolution] of [['v360', '640x360'], ['v216', '384x216']]) {
  const { init, segments } = videoSegments(name);
  const rate = write(name, init, segments);
  master.push(
    `#EXT-X-STREAM-INF:BANDWIDTH=${rate.peak + audio.peak},AVERAGE-BANDWIDTH=${rate.average + audio.average},` +
      `CODECS="${avcCodec(init)},mp4a.40.2",RESOLUTION=${resolution},FRAME-RATE=24.000,AUDIO="audio"`,
    `${name}/index.m3u8`,
  );
}
writeFileSync(join(out, 'master.m3u8'), [...master, ''].join('\n'));
