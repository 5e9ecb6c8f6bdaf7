// Playlists that nobody wrote: seeds with some of what packagers, editors and mistakes do to them.

/** A repeatable source of whole numbers below `n` (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const bytes = (text) => Buffer.from(text).toString('latin1');
const LINES = [
  '#EXT-X-DISCONTINUITY', '#EXT-X-DISCONTINUITY ', '#EXT-X-DISCONTINUITY:x', '#EXT-X-GAP', '#EXT-X-GAP ', '#EXT-X-ENDLIST', '#EXT-X-ENDLIST x',
  '#EXT-X-MEDIA-SEQUENCE: 9', '#EXT-X-MEDIA-SEQUENCE:9.7', '#EXT-X-MEDIA-SEQUENCE:0x10', '#EXT-X-MEDIA-SEQUENCE:-3', '#EXT-X-MEDIA-SEQUENCE:', '#EXT-X-MEDIA-SEQUENCE:9007199254740991',
  '#EXT-X-DISCONTINUITY-SEQUENCE: 4', '#EXT-X-DISCONTINUITY-SEQUENCE:4.9', '#EXT-X-DISCONTINUITY-SEQUENCE:5000000000',
  '#EXT-X-TARGETDURATION: 4', '#EXT-X-TARGETDURATION:4.9', '#EXT-X-TARGETDURATION:x', '#EXT-X-TARGETDURATION:99999999999',
  '#EXTINF: 3.5,', '#EXTINF:3.5', '#EXTINF:3,5', '#EXTINF:,', '#EXTINF:4s,title', '#EXTINF:1e1,', '#EXTINF:-1,', '#EXTINF:.5,', '#EXTINF 4,', '#extinf:4,', '#EXTINF:4,ti#tle', '#EXTINF:4, x.ts',
  '#EXT-X-BYTERANGE:30@0', '#EXT-X-BYTERANGE: 30@5', '#EXT-X-BYTERANGE:30 @5', '#EXT-X-BYTERANGE:30', '#EXT-X-BYTERANGE:"30@5"', '#EXT-X-BYTERANGE:30.5@5', '#EXT-X-BYTERANGE:0@0', '#EXT-X-BYTERANGE:@4', '#EXT-X-BYTERANGE:-5@9', '#EXT-X-BYTERANGE:5@-9', '#EXT-X-BYTERANGE:x',
  '#EXT-X-MAP:URI="i.mp4"', '#EXT-X-MAP:URI=i.mp4', '#EXT-X-MAP: URI="i.mp4"', '#EXT-X-MAP:URI="i.mp4",BYTERANGE="10"', '#EXT-X-MAP:URI="i.mp4", BYTERANGE="10@2"', '#EXT-X-MAP:URI="i.mp4",BYTERANGE=10@2', '#EXT-X-MAP:BYTERANGE="10@2",URI="i.mp4"', '#EXT-X-MAP:BYTERANGE="10@2"', '#EXT-X-MAP:', '#EXT-X-MAP:URI=""', '#EXT-X-MAP:URI="../i.mp4"', '#EXT-X-MAP:URI="https://h.example/i.mp4"', '#EXT-X-MAP:URI=\'i.mp4\'', '#EXT-X-MAP:uri="i.mp4"',
  '#EXT-X-DEFINE:NAME="d",VALUE="w"', '#EXT-X-DEFINE:NAME="e",VALUE="{$d}"', '#EXT-X-DEFINE:IMPORT="d"', '#EXT-X-DEFINE:QUERYPARAM="q"', '#EXT-X-DEFINE:NAME="f"', '#EXT-X-DEFINE:VALUE="g"', '#EXT-X-DEFINE: NAME="h", VALUE="i"',
  '#EXT-X-SKIP:SKIPPED-SEGMENTS=3', '#EXT-X-SKIP: SKIPPED-SEGMENTS=2', '#EXT-X-SKIP:SKIPPED-SEGMENTS=0', '#EXT-X-SKIP:X=1',
  '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1', '#EXT-X-KEY:METHOD=NONE', '#EXT-X-KEY: METHOD=AES-128, URI="k"', '#EXT-X-BITRATE:100', '#EXT-X-BITRATE: x', '#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z', '#EXT-X-PROGRAM-DATE-TIME:never',
  '#EXT-X-DATERANGE:ID="x",START-DATE="2026-01-01T00:00:00Z"', '#EXT-X-PART:DURATION=1,URI="p"', '#EXT-X-PART-INF:PART-TARGET=1', '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p"', '#EXT-X-RENDITION-REPORT:URI="r"', '#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=9', '#EXT-X-START:TIME-OFFSET=1', '#EXT-X-VERSION:x', '#EXT-X-VERSION:4', '#EXT-X-PLAYLIST-TYPE:EVENT', '#EXT-X-PLAYLIST-TYPE: VOD', '#EXT-X-I-FRAMES-ONLY', '#EXT-X-INDEPENDENT-SEGMENTS',
  '#EXT-X-STREAM-INF:BANDWIDTH=1', '#EXT-X-STREAM-INF: BANDWIDTH=1, CODECS="a,b"', '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="n",URI="a.m3u8"', '#EXT-X-MEDIA: TYPE=AUDIO, GROUP-ID="a", NAME="n", URI="a.m3u8"', '#EXT-X-CONTENT-STEERING:SERVER-URI="s"', '#EXT-X-SESSION-KEY:METHOD=NONE',
  '#EXTM3U', '#EXTM3U ', '#', '##', '# comment', '#EXT', '#EXT-X-', '#EXT-X-UNKNOWN:A="b"', '', ' ', '\t', bytes('\u2028'), bytes('\u0085'), bytes('\ufeff'), '\xff\xfe',
].map((line) => (line.includes('\xff') ? line : bytes(line)));
const URIS = [
  'a.ts', './a.ts', '../a.ts', '../../../a.ts', '/a.ts', '//h.example/a.ts', 'https://h.example/a.ts', 'HTTPS://HOST.EXAMPLE/some/dir/a.ts', 'https://host.example/some/dir/a.ts', 'https:a.ts', 'http:a.ts', 'data:,x', 'blob:x', 'urn:x', 'a:b.ts', './a:b.ts',
  '?q', '#f', '.', '..', 'a/', 'a//b.ts', 'a/./b.ts', 'a/../b.ts', 'a/%2e%2e/b.ts', '%2e/a.ts', 'a%2Fb.ts', 'a%5cb.ts', 'a\\b.ts', '\\a.ts', '%', '%zz.ts', '%41.ts', 'a%20b.ts', 'a b.ts', ' a.ts', 'a.ts ', '\ta.ts', 'a\tb.ts', 'a;x=1.ts', 'a,b.ts', 'a=b.ts', 'a"b.ts', "a'b.ts", 'a<b>.ts', 'a|b^c`d.ts', 'a{b}.ts', '{$d}.ts', '{$nope}.ts', '{$d', 'a+b.ts', 'a&b.ts', 'a*b!.ts', '(a)[b].ts', 'a.ts?x=../y', 'a.ts?x#y', 'a.ts#../y',
  'ä.ts', 'a\u0308.ts', '片.ts', 'س.ts', 'ж.ts', '😀.ts', '\u200b.ts', '\u00a0a.ts', 'A.TS', '%C3%A4.ts', '%e4.ts', 'a\u2028b.ts', 'x'.repeat(150) + '.ts', 'con', '-', '~a.ts', '_.ts',
].map(bytes);

/** A copy of a directory with one to four changes. */
export function grow(seed, seeds, dice) {
  const files = { ...seed.files };
  const paths = Object.keys(files);
  for (let changes = 1 + dice(4); changes > 0; changes--) {
    const path = paths[dice(paths.length)];
    files[path] = changed(files[path], dice);
  }
  return { entry: seed.entry, files };
}

const pick = (list, dice) => list[dice(list.length)];

function changed(text, dice) {
  const kinds = [replaceUri, insertLine, insertLine, insertLine, dropLine, repeatLine, swapLines, spaced, untidy, untidy, cut, lineEnds, bytesAtFront, quotes];
  return pick(kinds, dice)(text, dice);
}

/** Works on the lines; what ends them stays. */
function onLines(text, work) {
  const lines = text.split('\n');
  work(lines);
  return lines.join('\n');
}

function replaceUri(text, dice) {
  return onLines(text, (lines) => {
    const uris = lines.map((line, at) => [line, at]).filter(([line]) => line.trim() && !line.startsWith('#'));
    if (uris.length) lines[pick(uris, dice)[1]] = pick(URIS, dice);
  });
}

function insertLine(text, dice) {
  return onLines(text, (lines) => lines.splice(dice(6) ? 1 + dice(lines.length) : 0, 0, pick(LINES, dice)));
}

function dropLine(text, dice) {
  return onLines(text, (lines) => lines.splice(dice(lines.length), 1));
}

function repeatLine(text, dice) {
  return onLines(text, (lines) => lines.splice(dice(lines.length), 0, pick(lines, dice)));
}

function swapLines(text, dice) {
  return onLines(text, (lines) => {
    const [a, b] = [dice(lines.length), dice(lines.length)];
    [lines[a], lines[b]] = [lines[b], lines[a]];
  });
}

/** A blank where none is expected: behind a colon, comma or equals sign, before or behind a line. */
function spaced(text, dice) {
  return onLines(text, (lines) => {
    const at = dice(lines.length);
    const blank = pick([' ', '  ', '\t', bytes('\u00a0')], dice);
    lines[at] = pick([(l) => l.replace(':', `:${blank}`), (l) => l.replaceAll(',', `,${blank}`), (l) => l.replace('=', `=${blank}`), (l) => l + blank, (l) => blank + l], dice)(lines[at]);
  });
}

/** One character in the middle of something. */
function untidy(text, dice) {
  const at = dice(text.length + 1);
  const what = pick(['"', ',', '=', ':', '@', '.', '-', '0', '7', 'x', '%', '\\', '/', '?', '#', '{$d}', '\r', '\n', '\0', '\xff', bytes('ß'), '\x0b', ' '], dice);
  return text.slice(0, at) + what + text.slice(at + dice(2));
}

function cut(text, dice) {
  return text.slice(0, dice(text.length));
}

function lineEnds(text, dice) {
  return text.replaceAll('\n', pick(['\r\n', '\r', '\n\n', ' \n', '\n '], dice));
}

function bytesAtFront(text, dice) {
  return pick(['\xef\xbb\xbf', '\xff\xfe', '\n', ' ', '#', bytes('\ufeff\ufeff')], dice) + text;
}

function quotes(text, dice) {
  return onLines(text, (lines) => {
    const at = dice(lines.length);
    lines[at] = pick([(l) => l.replaceAll('"', ''), (l) => l.replace('"', ''), (l) => l.replaceAll('"', "'"), (l) => l.replace(/=([^",]*)/, '="$1"')], dice)(lines[at]);
  });
}
