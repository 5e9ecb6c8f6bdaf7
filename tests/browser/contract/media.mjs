// What the origin serves: the demo media (480 bytes to 700 kB a segment, 4 s each, a moof every half second) and playlists made of it.
//
//   /m/<rendition>/...       as in examples/media            /m/master.m3u8    two levels with audio, three segments each
//   /m/slow.m3u8             v216, each segment in 240 ms    /m/failing.m3u8   v216, the second segment fails twice
//   /m/one.m3u8              v216 alone                      /m/range.m3u8     the same as byte ranges of one file
//   /m/enc.m3u8 /m/key       AES-128                         /m/subs.m3u8      v216 with WebVTT subtitles
//   /m/parts.m3u8            LL-HLS with parts               /m/steered.m3u8   two pathways
//   /m/growing.m3u8          live, byte ranges of one file that grows with the playlist
//   /m/breaks.m3u8           v216 with an interstitial       /m/spot.m3u8      what is shown in it
import { createCipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MEDIA = fileURLToPath(new URL('../../../examples/media/', import.meta.url));
export const KEY = Buffer.from('0123456789abcdef');
const SEGMENTS = [0, 1, 2];
const LAST = 5;

const files = new Map();
/** A file of examples/media, or null. */
export function media(path) {
  if (!files.has(path)) {
    let file = null;
    try { file = readFileSync(MEDIA + path); } catch { /* not there */ }
    files.set(path, file);
  }
  return files.get(path);
}

const HEAD = '#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n';
const text = (lines) => Buffer.from(lines);
const pause = (ms) => new Promise((go) => setTimeout(go, ms));

const made = {
  'master.m3u8': () => text(`#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",DEFAULT=YES,AUTOSELECT=YES,URI="a64/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=384x216,CODECS="avc1.64000d,mp4a.40.2",AUDIO="a"
v216/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",AUDIO="a"
v360/index.m3u8
`),
  'one.m3u8': () => vod('#EXT-X-MAP:URI="v216/init.mp4"\n', (n) => `v216/seg_${n}.m4s`),
  'slow.m3u8': () => vod('#EXT-X-MAP:URI="v216/init.mp4"\n', (n) => `v216/seg_${n}.m4s?drip=60`),
  'stuck.m3u8': () => vod('#EXT-X-MAP:URI="v216/init.mp4"\n', (n) => `v216/seg_${n}.m4s?stall=body`),
  'paced.m3u8': () => vod('#EXT-X-MAP:URI="v216/init.mp4"\n', (n) => `v216/seg_${n}.m4s${n ? `?slow=${n * 700}` : ''}`),
  'failing.m3u8': () => vod('#EXT-X-MAP:URI="v216/init.mp4"\n', (n) => `v216/seg_${n}.m4s${n === 1 ? '?status=503&times=2' : ''}`),
  'range.m3u8': () => vod(`#EXT-X-MAP:URI="v216.mp4",BYTERANGE="${sizes()[0]}@0"\n`, () => 'v216.mp4', (n) => `#EXT-X-BYTERANGE:${sizes()[n + 1]}@${startOf(n)}\n`),
  'v216.mp4': () => Buffer.concat(pieces()),
  'growing.m3u8': (_url, host) => growing(host),
  'growing.mp4': (_url, host) => Buffer.concat(pieces().slice(0, 1 + grown(host))),
  'enc.m3u8': () => vod(`#EXT-X-MAP:URI="v216/init.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x${'00'.repeat(15)}07\n`, (n) => `enc/seg_${n}.m4s`),
  key: () => KEY,
  'data.json': () => text('{"VERSION":1}'),
  'subs.m3u8': () => text(`#EXTM3U
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="vtt.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=384x216,CODECS="avc1.64000d",SUBTITLES="s"
one.m3u8
`),
  'vtt.m3u8': () => vod('', (n) => `cues_${n}.vtt`),
  'parts.m3u8': partsPlaylist,
  'steered.m3u8': (_url, host) => text(`#EXTM3U
#EXT-X-CONTENT-STEERING:SERVER-URI="steering.json",PATHWAY-ID="A"
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=384x216,CODECS="avc1.64000d",PATHWAY-ID="A"
one.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=384x216,CODECS="avc1.64000d",PATHWAY-ID="B"
//b-${host}.page.localhost:PORT/m/one.m3u8
`),
  'breaks.m3u8': (url) => vod(`#EXT-X-MAP:URI="v216/init.mp4"\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXT-X-DATERANGE:ID="b",CLASS="com.apple.hls.interstitial",START-DATE="2026-01-01T00:00:02.000Z",DURATION=4,X-ASSET-URI="${url.origin}/m/spot.m3u8",X-RESUME-OFFSET=0\n`, (n) => `v216/seg_${n}.m4s`),
  'spot.m3u8': () => text(`${HEAD}#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI="v216/init.mp4"\n#EXTINF:4,\nv216/seg_0.m4s?spot\n#EXT-X-ENDLIST\n`),
  'steering.json': () => text('{"VERSION":1,"TTL":10,"PATHWAY-PRIORITY":["B","A"]}'),
};

/** The body at a URL, or null for a 404. */
export async function bodyOf(url, host) {
  const [, name] = /^\/m\/(.*)$/.exec(url.pathname) ?? [];
  if (!name) return null;
  const short = /^(\w+)\/index\.m3u8$/.exec(name);
  if (short) return vod('#EXT-X-MAP:URI="init.mp4"\n', (n) => `seg_${n}.m4s`);
  if (name.startsWith('enc/')) return encrypted(`v216/${name.slice(4)}`);
  if (/^cues_\d\.vtt$/.test(name)) return cues(Number(name[5]));
  const body = made[name] ? await made[name](url, host) : media(name);
  return name === 'steered.m3u8' ? text(String(body).replace('PORT', url.port)) : body;
}

function vod(head, uri, before = () => '') {
  const entries = SEGMENTS.map((n) => `#EXTINF:4,\n${before(n)}${uri(n)}\n`).join('');
  return text(`${HEAD}#EXT-X-PLAYLIST-TYPE:VOD\n${head}${entries}#EXT-X-ENDLIST\n`);
}

/** Segments of the growing file that are out, by host: two at first, one more with each refresh of the playlist. */
const out = new Map();
const grown = (host) => Math.min(out.get(host) ?? 0, SEGMENTS.length);

function growing(host) {
  out.set(host, Math.max(2, grown(host) + 1));
  const entries = SEGMENTS.slice(0, grown(host)).map((n) => `#EXTINF:4,\n#EXT-X-BYTERANGE:${sizes()[n + 1]}@${startOf(n)}\ngrowing.mp4\n`).join('');
  const over = grown(host) === SEGMENTS.length ? '#EXT-X-ENDLIST\n' : '';
  return text(`${HEAD}#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI="growing.mp4",BYTERANGE="${sizes()[0]}@0"\n${entries}${over}`);
}

const pieces = () => [media('v216/init.mp4'), ...SEGMENTS.map((n) => media(`v216/seg_${n}.m4s`))];
const sizes = () => pieces().map((piece) => piece.length);
const startOf = (n) => sizes().slice(0, n + 1).reduce((a, b) => a + b, 0);

function encrypted(path) {
  const iv = Buffer.alloc(16);
  iv[15] = 7;
  const cipher = createCipheriv('aes-128-cbc', KEY, iv);
  return Buffer.concat([cipher.update(media(path)), cipher.final()]);
}

function cues(n) {
  const at = (s) => `00:00:${String(n * 4 + s).padStart(2, '0')}.000`;
  return text(`WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n${at(1)} --> ${at(3)}\ncue ${n}\n`);
}

/** Where each moof of a segment begins, and the end. */
export function moofs(segment) {
  const cuts = [];
  for (let at = 0; at < segment.length; at += segment.readUInt32BE(at)) if (segment.toString('latin1', at + 4, at + 8) === 'moof') cuts.push(at);
  // A styp or sidx in front belongs to the first part.
  cuts[0] = 0;
  return [...cuts, segment.length];
}

/** A live LL-HLS playlist whose last two segments are in parts; asked for more, it waits and then ends. */
async function partsPlaylist(url) {
  const over = url.searchParams.has('_HLS_msn');
  if (over) await pause(700);
  let lines = `${HEAD.replace('TARGETDURATION:4', 'TARGETDURATION:4')}#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.6\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI="v216/init.mp4"\n`;
  for (let n = 0; n <= LAST; n++) {
    if (n >= LAST - 1) lines += partLines(n);
    if (n < LAST || over) lines += `#EXTINF:4,\nv216/seg_${n}.m4s\n`;
  }
  return text(lines + (over ? '#EXT-X-ENDLIST\n' : ''));
}

function partLines(n) {
  const cuts = moofs(media(`v216/seg_${n}.m4s`));
  return cuts.slice(0, -1).map((from, i) => `#EXT-X-PART:DURATION=${4 / (cuts.length - 1)},URI="v216/seg_${n}.m4s",BYTERANGE="${cuts[i + 1] - from}@${from}"${i === 0 ? ',INDEPENDENT=YES' : ''}\n`).join('');
}
