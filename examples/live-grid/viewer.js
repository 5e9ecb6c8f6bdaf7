// One viewer: a real HLS.js player, with or without the mesh, and its numbers for people and for machines.
//
// Query: `hls` 1.5|1.6|1.7 · `mode` serve|advertise-only|off, or plain for HLS.js alone · `way` config|fragment|snippet|shared · `name`
// · `src` playlist · `stream` id · `edge` path · `upload` bytes per second, 0 for none · `hash=1` SHA-256 of all payloads · `frags=1` stats of all fragments.

import { FragmentLog } from './fragments.js';
import { Hunger } from './hunger.js';
import { PlayMeter } from './meter.js';
import { player, release } from './players.js';
import { bytes, percent } from './words.js';

const query = new URLSearchParams(location.search);
const $ = (id) => document.getElementById(id);
const main = document.querySelector('.viewer');
const video = document.querySelector('video');

const mode = query.get('mode') ?? 'serve';
const wish = {
  name: query.get('name') ?? 'viewer',
  version: release(query.get('hls') ?? '1.7'),
  mode,
  way: mode === 'plain' ? 'plain' : (query.get('way') ?? 'config'),
  src: new URL(query.get('src') ?? '/live/demo/master.m3u8', location.href).href,
};

const meter = new PlayMeter(video);
const hunger = new Hunger(video);
const log = { errors: [], warnings: [], reasons: {}, segments: [] };
let peers = 0;
let heard = null; // the mesh whose events are listened to
let failed = null;
let left = false;
let playing = null; // {hls, mesh}
let fragments = null;

const options = {
  streamId: query.get('stream') ?? 'demo',
  signalingUrl: new URL(query.get('edge') ?? '/mesh', location.href).href.replace(/^http/, 'ws'),
  originBaseUrl: new URL('.', wish.src).href,
  peerId: wish.name,
  remoteConfigUrl: new URL('/policy.json', location.href).href,
  enableRarestFirst: true,
  cmafMode: mode,
  ...window.meshOptions, // of a page that wants more
  ...(query.has('upload') ? { upload: { rateBytesPerS: Number(query.get('upload')) } } : {}),
};

/** What tests read. Everything is a plain value. */
window.viewer = {
  wish,
  options,
  report,
  /** Per-fragment records (`hash=1`, `frags=1`), once all digests are done. */
  async fragments() { await fragments?.settled(); return fragments?.records ?? []; },
  get hls() { return playing?.hls ?? null; },
  get mesh() { return playing?.mesh ?? null; },
  leave,
};

start().catch((error) => {
  failed = String(error);
  log.errors.push({ at: performance.now(), what: failed, fatal: true });
});
setInterval(show, 500);
addEventListener('pagehide', leave);

async function start() {
  $('name').textContent = wish.name;
  playing = await player(wish.way, wish.version, options);
  const { Hls, hls } = playing;
  fragments = new FragmentLog(hls, Hls.Events, { hash: query.has('hash'), records: query.has('frags') });
  hls.on(Hls.Events.ERROR, (_, e) => hlsError(e));
  if (wish.way === 'plain') hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => plainSegment(frag));
  // The published snippet makes its core with the first loader, so there may be nobody to listen to yet.
  hls.on(Hls.Events.FRAG_LOADING, () => setTimeout(listen));
  listen();
  hls.loadSource(wish.src);
  hls.attachMedia(video);
  // A browser that wants a click first gets its own button for it.
  video.play().catch(() => { video.controls = true; });
}

function leave() {
  left = true;
  playing?.hls.destroy();
  playing?.mesh?.destroy?.();
  meter.stop();
  hunger.stop();
  playing = null;
}

function hlsError(e) {
  log.errors.push({ at: performance.now(), what: e.details, fatal: e.fatal, url: e.frag?.url ?? e.url ?? null, code: e.response?.code ?? null });
  if (e.fatal) failed = e.details;
}

function listen() {
  const mesh = playing?.mesh;
  if (!mesh || mesh === heard) return;
  heard = mesh;
  mesh.on('segment', segmentFrom);
  mesh.on('peer', ({ count }) => { peers = count; });
  mesh.on('error', ({ code, message }) => { log.warnings.push({ at: performance.now(), code, text: message }); });
}

function segmentFrom(event) {
  log.reasons[event.reason] = (log.reasons[event.reason] ?? 0) + 1;
  log.segments.push(event);
  if (log.segments.length > 512) log.segments.shift();
  if (event.type === 'main' && event.sn !== 'initSegment') strip(event, `segment ${event.sn}: ${bytes(event.fromPeers)} from peers, ${bytes(event.fromHttp)} from HTTP (${event.way}: ${event.reason})`);
}

function plainSegment(frag) {
  if (frag.type === 'main') strip({ fromPeers: 0, fromHttp: frag.stats.loaded }, `segment ${frag.sn}: ${bytes(frag.stats.loaded)} from HTTP`);
}

// One block a video segment, coloured by where its bytes came from.
function strip({ fromPeers, fromHttp }, text) {
  const block = document.createElement('li');
  block.style.setProperty('--share', (fromPeers / Math.max(1, fromPeers + fromHttp)).toFixed(2));
  block.title = text;
  $('strip').append(block);
  while ($('strip').children.length > 24) $('strip').firstChild.remove();
}

function state() {
  if (failed) return 'failed';
  if (left) return 'left';
  if (!playing) return 'loading';
  if (!meter.started) return 'joining';
  if (video.ended) return 'ended';
  if (video.paused) return 'paused';
  return meter.stalledNow ? 'stalled' : 'playing';
}

/** The SDK's counters in the page's words; without it, all is HTTP. */
function traffic() {
  const sdk = playing?.mesh?.stats() ?? null;
  if (!sdk) return { fromPeers: 0, fromHttp: fragments?.deliveredBytes ?? 0, peers: null, sdk };
  return { fromPeers: sdk.bytes.peers, fromHttp: sdk.bytes.http, peers, sdk };
}

function report() {
  const { sdk, ...moved } = traffic();
  const hls = playing?.hls;
  return {
    name: wish.name, version: wish.version, mode: wish.mode, way: wish.way,
    state: state(), failed,
    ...meter.report(),
    hungry: hunger.hungry, heldUpSeconds: hunger.heldUpSeconds,
    ...moved,
    deliveredBytes: fragments?.deliveredBytes ?? 0,
    deliveredCount: fragments?.count ?? 0,
    height: video.videoHeight,
    latencySeconds: hls && Number.isFinite(hls.latency) ? hls.latency : null,
    estimateBps: hls?.bandwidthEstimate ?? null,
    errors: log.errors, warnings: log.warnings, reasons: log.reasons, segments: log.segments,
    sdk,
  };
}

function show() {
  const now = report();
  main.dataset.state = now.state;
  $('state').textContent = now.state;
  $('picture').textContent = now.height ? `${now.height}p${now.latencySeconds ? ` · ${now.latencySeconds.toFixed(0)} s behind live` : ''}` : '';
  const all = now.fromPeers + now.fromHttp;
  $('from-peers').textContent = bytes(now.fromPeers);
  $('from-http').textContent = bytes(now.fromHttp);
  $('offload').textContent = all ? percent(now.fromPeers / all) : '–';
  $('split').toggleAttribute('data-any', all > 0);
  $('split').firstElementChild.style.width = all ? `${(100 * now.fromPeers) / all}%` : '0';
  $('peers').textContent = now.peers ?? '–';
  $('startup').textContent = now.startupMs === null ? '–' : `${(now.startupMs / 1000).toFixed(2)} s`;
  $('stalls').textContent = now.stalls.count ? `${now.stalls.count} · ${(now.stalls.ms / 1000).toFixed(1)} s` : '0';
  $('stalls').className = now.stalls.count ? 'bad' : '';
  $('why').textContent = now.failed ?? (wish.way === 'plain' ? `plain HLS.js ${wish.version}` : reasonsInWords(now));
  $('why').classList.toggle('bad', Boolean(now.failed));
}

function reasonsInWords(now) {
  const counts = Object.entries(now.reasons).sort((a, b) => b[1] - a[1]);
  if (!counts.length) return `HLS.js ${wish.version}, ${wish.mode}`;
  return counts.slice(0, 4).map(([reason, n]) => `${reason} ${n}`).join(' · ');
}
