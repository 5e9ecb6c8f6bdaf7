// The origin of the contract suite. Every run of a check has a host name of its own (`c17.page.localhost`), so that it has
// connections of its own in the browser and a log of its own here.
//
//   /m/<path>?<faults>        examples/media (see media.mjs for the playlists made here), byte ranges included
//   /page /lib/<name> /sdk/<name>   the page, the suite's scripts, js/dist
//   /never                    accepts and never answers
//
// Faults, any of:
//   status=503 · stall=head|body · slow=MS before the head · drip=MS between quarters · reset=head|body · short=1 (fewer
//   bytes than announced) · empty=1 · chunked=1 (no length) · gzip=1 · whole=1 (200 to a Range) · redirect=same|cross ·
//   times=N (the fault is over after N requests) · deny=1 (no CORS headers)
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { bodyOf } from './media.mjs';

const DIST = fileURLToPath(new URL('../../../js/dist/', import.meta.url));
const TYPES = { m3u8: 'application/vnd.apple.mpegurl', m4s: 'video/iso.segment', mp4: 'video/mp4', vtt: 'text/vtt', js: 'text/javascript', html: 'text/html', json: 'application/json', wasm: 'application/wasm' };
const PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>contract</title><video muted></video><video muted></video>';

const pause = (ms) => new Promise((go) => setTimeout(go, ms));

export async function startServer(scripts) {
  const logs = new Map();
  const seen = new Map();
  const server = createServer((request, response) => {
    answer({ request, response, scripts, logs, seen }).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address();
  return {
    port,
    home: `http://page.localhost:${port}`,
    /** Requests of a host since the last call. */
    takeLog: (host) => (logs.get(host) ?? []).splice(0),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function answer({ request, response, scripts, logs, seen }) {
  const host = (request.headers.host ?? '').split(':')[0].replace(/\.?page\.localhost$/, '') || 'home';
  const url = new URL(request.url, `http://${request.headers.host}`);
  const path = url.pathname;
  if (path === '/never') return;
  if (path === '/page') return send(request, response, 200, 'html', PAGE);
  if (path.startsWith('/lib/')) return send(request, response, 200, 'js', scripts[path.slice(5)] ?? '');
  if (path.startsWith('/sdk/')) return send(request, response, 200, path.split('.').pop(), readFileSync(DIST + path.slice(5)));
  const entry = note(request, response, url);
  if (!logs.has(host)) logs.set(host, []);
  logs.get(host).push(entry);
  if (request.method === 'OPTIONS') return host.startsWith('strict') ? send(request, response, 405, 'js', 'no') : preflight(request, response);
  const body = await bodyOf(url, host);
  if (!body) return send(request, response, 404, 'js', 'not found');
  const count = (seen.get(request.headers.host + request.url) ?? 0) + 1;
  seen.set(request.headers.host + request.url, count);
  const faults = count > Number(url.searchParams.get('times') ?? Infinity) ? new URLSearchParams() : url.searchParams;
  await deliver({ request, response, url, faults, host, whole: body });
}

/** What the origin notes of a request; `cut` becomes true when the browser goes away before the end. */
function note(request, response, url) {
  const entry = { at: performance.timeOrigin + performance.now(), method: request.method, path: url.pathname, query: url.search, headers: request.headers, raw: pairs(request.rawHeaders), cut: false, done: false };
  response.on('finish', () => (entry.done = true));
  response.on('close', () => (entry.cut = !entry.done));
  return entry;
}

/** Header lines as sent, in their order, without what belongs to the connection. */
function pairs(raw) {
  const lines = [];
  for (let i = 0; i < raw.length; i += 2) if (!/^(host|connection)$/i.test(raw[i])) lines.push(`${raw[i]}: ${raw[i + 1]}`);
  return lines;
}

async function deliver({ request, response, url, faults, host, whole }) {
  const type = url.pathname.split('.').pop();
  if (faults.get('slow')) await pause(Number(faults.get('slow')));
  if (faults.get('stall') === 'head') return;
  if (faults.get('reset') === 'head') return request.socket.destroy();
  if (faults.get('redirect')) return redirect(request, response, url, host);
  if (faults.get('status')) return send(request, response, Number(faults.get('status')), 'js', 'no');
  const range = faults.get('whole') ? null : /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (range && Number(range[1]) >= whole.length) return send(request, response, 416, 'js', 'beyond the end');
  let body = faults.get('empty') ? Buffer.alloc(0) : range ? whole.subarray(Number(range[1]), Number(range[2]) + 1) : whole;
  const gzip = faults.get('gzip') ? { 'Content-Encoding': 'gzip' } : {};
  if (faults.get('gzip')) body = gzipSync(body);
  response.writeHead(range ? 206 : 200, {
    ...cors(request, faults),
    ...gzip,
    'Content-Type': TYPES[type] ?? 'application/octet-stream',
    ...(!faults.get('chunked') && { 'Content-Length': body.length }),
    ...(faults.get('cookie') && { 'Set-Cookie': 'seen=1; Path=/' }),
    Age: '3',
    ...(range && { 'Content-Range': `bytes ${range[1]}-${range[2]}/${whole.length}` }),
  });
  const steps = ['drip', 'stall', 'reset', 'short'].some((name) => faults.get(name));
  if (!steps) return response.end(body);
  const quarter = Math.ceil(body.length / 4);
  for (let at = 0; at < body.length; at += quarter) {
    response.write(body.subarray(at, at + quarter));
    await pause(Number(faults.get('drip') ?? 20));
    if (at && faults.get('stall')) return;
    if (at && (faults.get('reset') || faults.get('short'))) return request.socket.destroy();
  }
  response.end();
}

/** To the same bytes without the fault, here or at another host. */
function redirect(request, response, url, host) {
  const to = new URL(url.href);
  const kind = to.searchParams.get('redirect');
  to.searchParams.delete('redirect');
  to.searchParams.set('moved', '1');
  if (kind === 'cross') to.hostname = `moved-${host}.page.localhost`;
  response.writeHead(302, { ...cors(request, url.searchParams), Location: to.href, 'Content-Length': 0 });
  response.end();
}

function cors(request, faults) {
  if (faults?.get('deny')) return {};
  const origin = request.headers.origin;
  const base = { 'Cache-Control': 'no-store', Vary: 'Origin' };
  return origin ? { ...base, 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true' } : base;
}

function preflight(request, response) {
  response.writeHead(204, { ...cors(request), 'Access-Control-Allow-Headers': request.headers['access-control-request-headers'] ?? '', 'Access-Control-Max-Age': '0' });
  response.end();
}

function send(request, response, status, type, body) {
  response.writeHead(status, { ...cors(request), 'Content-Type': TYPES[type] ?? 'application/octet-stream', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
