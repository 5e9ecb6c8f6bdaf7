// Edges that are not what they should be. Each is `{count, take(request, socket, head)}`, for FaultProxy.edge: `count`
// tells how often it did its mischief, and how many sockets came.

import { randomBytes } from 'node:crypto';
import { accept, connect } from './websocket.mjs';

/** Answers every upgrade with this status. */
export function failingEdge(status) {
  return edge((count, request, socket) => {
    count.done += 1;
    socket.end(`HTTP/1.1 ${status} No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
}

/** Takes the socket and says nothing, for ever. */
export function silentEdge() {
  return edge((count, request, socket, head) => {
    const page = accept(request, socket, head);
    page.ontext = () => { count.done += 1; };
  });
}

/** Never even answers the upgrade. */
export function deafEdge() {
  return edge((count, request, socket) => {
    count.done += 1;
    socket.on('error', () => {});
  });
}

/** Takes the socket and drops it at once, before or after a welcome. */
export function hangingUpEdge({ welcomes }) {
  return edge((count, request, socket, head) => {
    const page = accept(request, socket, head);
    page.ontext = () => {
      count.done += 1;
      if (welcomes) page.send(JSON.stringify(welcome()));
      page.close(1011);
    };
    if (!welcomes) { count.done += 1; setTimeout(() => page.destroy(), 20); }
  });
}

/** Likes no token. */
export function refusingEdge() {
  return edge((count, request, socket, head) => {
    const page = accept(request, socket, head);
    page.ontext = () => {
      count.done += 1;
      page.send(JSON.stringify({ error: { code: 'unauthorized', message: 'this token is not for you' } }));
      page.close(1008);
    };
  });
}

/** Welcomes everybody and sends them away: come back at once. */
export function restlessEdge() {
  return edge((count, request, socket, head) => {
    const page = accept(request, socket, head);
    page.ontext = () => {
      count.done += 1;
      page.send(JSON.stringify(welcome()));
      page.send(JSON.stringify({ reconnect: { afterMs: 0 } }));
    };
  });
}

/** Candidates that no page may try. */
export const INWARD = ['127.0.0.1', '127.8.8.8', '::1', '169.254.169.254', 'fe80::1', '224.0.0.251', '255.255.255.255', '0.0.0.0', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '240.0.0.1',
  // Of some network of the viewer's own, in which the page found neither itself nor the neighbour.
  '192.168.1.1', '10.0.0.138', '172.16.0.1', '100.64.0.1', 'fd00::1', '::ffff:192.168.1.1', '::ffff:0:10.0.0.138'];
const LOW_PORTS = [1, 22, 53, 443, 1023];
/** What a line smuggled into a description would say. */
export const SMUGGLED = 'smuggled';
/** A host that no page allowed. */
export const FOREIGN = 'evil.example';

/**
 * Stands between pages and the true edge at `url`, passes on what both say, and lies: sparingly with `whisper(ms)` from
 * the time on that a page was proposed true peers, all at once with `shout()`.
 */
export function lyingEdge(url) {
  const pages = new Set();
  const self = edge(async (count, request, socket, head) => {
    const page = accept(request, socket, head);
    const early = [];
    page.ontext = (text) => early.push(text);
    const truth = await connect(new URL('/mesh', url), { origin: request.headers.origin, host: new URL(url).host });
    early.forEach((text) => truth.send(text));
    page.ontext = (text) => truth.send(text);
    const liar = { page, count, fakes: [], named: null };
    pages.add(liar);
    truth.ontext = (text) => relay(liar, text);
    truth.onclose = () => page.destroy();
    page.onclose = () => { pages.delete(liar); truth.destroy(); };
  });
  self.whisper = (everyMs) => setInterval(() => pages.forEach(whisper), everyMs);
  self.shout = () => pages.forEach(shout);
  return self;
}

function edge(take) {
  const count = { sockets: 0, done: 0 };
  return {
    count,
    take(request, socket, head) {
      count.sockets += 1;
      Promise.resolve(take(count, request, socket, head)).catch(() => socket.destroy());
    },
  };
}

function welcome() {
  return { welcome: { peer: id(), edge: 1, salt: { current: id() } } };
}

function id() { return randomBytes(16).toString('hex'); }

function tell(liar, kind, message) {
  liar.count[kind] = (liar.count[kind] ?? 0) + 1;
  liar.count.done += 1;
  liar.page.send(typeof message === 'string' ? message : JSON.stringify(message));
}

/** Passes the true edge's word on: the welcome with ICE servers of our own, each candidate with twins that lead inward. */
function relay(liar, text) {
  const message = JSON.parse(text);
  if (message.welcome) {
    message.welcome.iceServers = servers();
    liar.count.servers = (liar.count.servers ?? 0) + 1;
  }
  liar.page.send(JSON.stringify(message));
  if (message.peers) liar.named = message.peers[0]?.peer ?? liar.named;
  if (message.signal?.kind === 'candidate') twins(message.signal).forEach((signal) => tell(liar, 'twins', { signal }));
}

function servers() {
  return [
    { urls: [`stun:${FOREIGN}:3478`, `turn:${FOREIGN}?transport=udp`], username: 'u', credential: 'c' },
    { urls: [`stun:${FOREIGN}?://127.0.0.1`, `stun:127.0.0.1@${FOREIGN}`, `turn:${FOREIGN}?transport=udp://127.0.0.1`] },
    { urls: [`turns:${FOREIGN}:443?transport=tcp`, 'stun:10.0.0.1:3478', 'stun:localhost:3478'], username: 'u', credential: 'c' },
  ];
}

function twins(signal) {
  const as = (change) => ({ ...signal, data: { ...signal.data, typ: 'host', ...change } });
  return [
    ...INWARD.map((address, i) => as({ address, port: 40_000 + i, typ: i % 2 ? 'srflx' : 'host' })),
    ...LOW_PORTS.map((port) => as({ address: '198.51.100.7', port })),
    as({ address: 'localhost' }), as({ address: FOREIGN }), as({ address: `198.51.100.7\r\na=${SMUGGLED}` }), as({ foundation: `1 ${SMUGGLED}` }),
  ];
}

const LIES = [
  ['garbage', (liar) => ['{', 'null', '[]', '"x"', '{}', '{"peers":5}', '{"welcome":{}}', '{"a":1,"b":2}', '['.repeat(20_000), `{"peers":${'['.repeat(20_000)}`, randomBytes(200).toString('latin1'), '{"gossip":{"from":"the future"}}'][liar.count.done % 12]],
  ['proposals', (liar) => {
    const peers = Array.from({ length: 8 }, (_, i) => ({ peer: id(), lanes: [], initiate: i % 2 === 0 }));
    liar.fakes = peers.filter((p) => !p.initiate).map((p) => p.peer);
    return { peers };
  }],
  ['offers', (liar) => ({ signal: { peer: liar.fakes[0] ?? id(), dial: 1, kind: 'offer', data: description() } })],
  ['inward', (liar) => ({ signal: twins({ peer: liar.fakes[0] ?? id(), dial: 1, kind: 'candidate', data: { foundation: '1', priority: 2_113_937_151, address: '127.0.0.1', port: 9999, typ: 'host' } })[liar.count.done % INWARD.length] })],
  ['smuggled', (liar) => {
    const lines = `x\r\na=${SMUGGLED}:1\r\n`;
    const fields = ['mid', 'ufrag', 'pwd', 'fingerprint', 'setup'];
    return { signal: { peer: liar.fakes[1] ?? id(), dial: 1, kind: 'offer', data: { ...description(), [fields[liar.count.done % fields.length]]: lines } } };
  }],
  ['weights', () => ({ weights: { 'v360/index.m3u8': 1e308, 'v480/index.m3u8': -5, 'a64/index.m3u8': 0 } })],
  ['policy', () => ({ policy: { refetch: true, tighten: { enabled: true, upload: { rateBytesPerS: 99_000_000, onCellular: true }, peers: { max: 200 }, cmafMode: 'serve' } } })],
  ['second welcome', () => welcome()],
  ['salt', () => ({ salt: { current: 'not hex' } })],
];

function whisper(liar) {
  if (!liar.named) return;
  const [kind, lie] = LIES[(liar.turn = ((liar.turn ?? -1) + 1) % LIES.length)];
  tell(liar, kind, lie(liar));
}

/** Thousands of proposals and a message beyond any bound. */
function shout(liar) {
  const peers = () => Array.from({ length: 64 }, () => ({ peer: id(), lanes: [], initiate: true }));
  for (let i = 0; i < 1000; i += 1) tell(liar, 'flood', { peers: peers() });
  tell(liar, 'endless', `{"error":{"code":"full","message":"${'x'.repeat(4_000_000)}"}}`);
}

function description() {
  const fingerprint = Array.from(randomBytes(32), (byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
  return { ufrag: 'abcd', pwd: 'p'.repeat(24), fingerprint, setup: 'actpass', mid: '0', sctpPort: 5000, maxMessageSize: 262_144 };
}
