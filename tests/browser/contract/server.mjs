// The origin of the contract suite: the demo media, and the ways in which an origin can misbehave.
//
//   /paced/<path>           the same as /m/, each answer 150 ms late
//   /m/<path>?<faults>      examples/media, byte ranges included. Faults, any of:
//     status=503 · stall=head|body (never goes on) · slow=MS before the head · drip=MS between quarters · empty=1 · reset=1 (connection dies half way)
//   /enc/<rendition>.m3u8   the rendition AES-128 encrypted as a whole; /enc/key
//   /range/<rendition>.m3u8 one file and byte ranges
//   /lib/<name>             scripts given by the suite
//   /sdk/<name>             js/dist, as shipped
import { createCipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const MEDIA = fileURLToPath(new URL('../../../examples/media/', import.meta.url));
const TYPES = { m3u8: 'application/vnd.apple.mpegurl', m4s: 'video/iso.segment', mp4: 'video/mp4', js: 'text/javascript', html: 'text/html', wasm: 'application/wasm' };
const DIST = fileURLToPath(new URL('../../../js/dist/', import.meta.url));
const KEY = Buffer.from('0123456789abcdef');
const SEGMENTS = [0, 1, 2, 3, 4, 5];

const read = (path) => readFileSync(MEDIA + path);
const pause = (ms) => new Promise((go) => setTimeout(go, ms));

export async function startServer(scripts) {
  const log = [];
  const server = createServer((request, response) => {
    answer(request, response, scripts, log).catch(() => response.destroy());
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    base: `http://127.0.0.1:${server.address().port}`,
    /** Requests since the last call. */
    takeLog: () => log.splice(0),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function answer(request, response, scripts, log) {
  const url = new URL(request.url, 'http://origin');
  const path = url.pathname;
  if (path.startsWith('/lib/')) return send(response, 200, 'js', scripts[path.slice(5)] ?? '');
  if (path.startsWith('/sdk/')) return send(response, 200, path.split('.').pop(), readFileSync(DIST + path.slice(5)));
  if (path === '/page') return send(response, 200, 'html', '<!doctype html><meta charset="utf-8"><title>contract</title><video muted></video>');
  if (request.method === 'OPTIONS') return send(response, 204, 'js', '');
  log.push({ path, query: url.search, range: request.headers.range, headers: request.headers });
  const body = bodyOf(path);
  if (!body) return send(response, 404, 'js', 'not found');
  await deliver(request, response, url.searchParams, path.split('.').pop(), body);
}

function bodyOf(path) {
  if (path === '/enc/key') return KEY;
  if (path === '/m/steering.json') return Buffer.from('{"VERSION":1}');
  const [, kind, name = ''] = /^\/(m|paced|enc|range)\/(.*)$/.exec(path) ?? [];
  if (kind === 'm' || kind === 'paced') return read(name);
  if (kind === 'range') return name.endsWith('.m3u8') ? rangePlaylist(name.slice(0, -5)) : wholeFile(name.split('.')[0]);
  if (kind === 'enc') return name.endsWith('.m3u8') ? encryptedPlaylist(name.slice(0, -5)) : encrypted(name);
  return null;
}

function encryptedPlaylist(rendition) {
  return playlist(`#EXT-X-MAP:URI="/m/${rendition}/init.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="/enc/key",IV=0x${'00'.repeat(15)}07\n`, (n) => `${rendition}/seg_${n}.m4s`);
}

function encrypted(path) {
  const iv = Buffer.alloc(16);
  iv[15] = 7;
  const cipher = createCipheriv('aes-128-cbc', KEY, iv);
  return Buffer.concat([cipher.update(read(path)), cipher.final()]);
}

const parts = (rendition) => [read(`${rendition}/init.mp4`), ...SEGMENTS.map((n) => read(`${rendition}/seg_${n}.m4s`))];
const wholeFile = (rendition) => Buffer.concat(parts(rendition));

function rangePlaylist(rendition) {
  const sizes = parts(rendition).map((part) => part.length);
  const at = (n) => sizes.slice(0, n + 1).reduce((a, b) => a + b, 0);
  return playlist(`#EXT-X-MAP:URI="${rendition}.mp4",BYTERANGE="${sizes[0]}@0"\n`, (n) => `${rendition}.mp4`, (n) => `#EXT-X-BYTERANGE:${sizes[n + 1]}@${at(n)}\n`);
}

function playlist(head, uri, before = () => '') {
  const entries = SEGMENTS.map((n) => `#EXTINF:4,\n${before(n)}${uri(n)}\n`).join('');
  return Buffer.from(`#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n${head}${entries}#EXT-X-ENDLIST\n`);
}

async function deliver(request, response, faults, type, whole) {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const body = faults.get('empty') ? Buffer.alloc(0) : range ? whole.subarray(Number(range[1]), Number(range[2]) + 1) : whole;
  // Segments of a recording come at once, before a core can be there: some tests need them a little later.
  if (request.url.startsWith('/paced/')) await pause(150);
  if (faults.get('slow')) await pause(Number(faults.get('slow')));
  if (faults.get('stall') === 'head') return;
  if (faults.get('status')) return send(response, Number(faults.get('status')), 'js', 'no');
  response.writeHead(range ? 206 : 200, {
    ...cors(request),
    'Content-Type': TYPES[type] ?? 'application/octet-stream',
    'Content-Length': body.length,
    Age: '3',
    ...(range && { 'Content-Range': `bytes ${range[1]}-${range[2]}/${whole.length}` }),
  });
  const quarter = Math.ceil(body.length / 4);
  if (!faults.get('drip') && !faults.get('stall') && !faults.get('reset')) return response.end(body);
  for (let at = 0; at < body.length; at += quarter) {
    response.write(body.subarray(at, at + quarter));
    await pause(Number(faults.get('drip') ?? 20));
    if (at && faults.get('stall')) return;
    if (at && faults.get('reset')) return response.destroy();
  }
  response.end();
}

function cors(request) {
  return { 'Access-Control-Allow-Origin': request?.headers.origin ?? '*', 'Access-Control-Allow-Credentials': 'true', 'Access-Control-Allow-Headers': '*', 'Cache-Control': 'no-store' };
}

function send(response, status, type, body) {
  response.writeHead(status, { ...cors(), 'Content-Type': TYPES[type], 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
