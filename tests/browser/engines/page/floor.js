// One viewer for every engine: HLS.js with or without the mesh, the instruments of the demo's viewer, nothing to look at.
// The runner compiles it for the oldest engines; the SDK beside it is served as it ships.
//
// Query: `name` · `hls` full version · `build` plain|script|module · `core` a stand-in where there is no WebRTC.

import { seen } from './hooks.js';
import { Hunger } from '../../../../examples/live-grid/hunger.js';
import { FragmentLog } from '../../../../examples/live-grid/fragments.js';
import { PlayMeter } from '../../../../examples/live-grid/meter.js';

const query = new URLSearchParams(location.search);
const wish = { name: query.get('name'), hls: query.get('hls'), build: query.get('build'), core: query.has('core') };
const video = document.querySelector('video');
const meter = new PlayMeter(video);
const hunger = new Hunger(video);
const source = new URL('/live/demo/master.m3u8', location.href).href;
const errors = [];
const warnings = [];
const segments = [];
let failed = null;
let fragments = null;
let playing = null;
let peers = 0;

window.floor = {
  report,
  async fragments() { await fragments.settled(); return fragments.records; },
  leave() { playing.hls.destroy(); if (playing.mesh) playing.mesh.destroy(); meter.stop(); hunger.stop(); },
};

start().catch((error) => { failed = `${error}\n${error.stack}`; });

async function start() {
  await script(`/vendor/hls.js/${wish.hls}/hls.js`);
  const { Hls } = window;
  const mesh = await meshOf(wish.build);
  const pinned = { liveSyncDurationCount: 3 };
  const hls = new Hls(mesh ? mesh.hlsConfig(pinned) : pinned);
  playing = { hls, mesh };
  fragments = new FragmentLog(hls, Hls.Events, { hash: true, records: true });
  hls.on(Hls.Events.ERROR, (_, e) => {
    errors.push({ what: e.details, fatal: e.fatal, text: String(e.error || e.reason || '') });
    if (e.fatal) failed = e.details;
  });
  if (mesh) {
    mesh.attach(hls);
    mesh.on('segment', (event) => segments.push(event));
    mesh.on('peer', ({ count }) => { peers = count; });
    mesh.on('error', ({ code }) => warnings.push(code));
  }
  hls.loadSource(source);
  hls.attachMedia(video);
  video.play().catch(() => {});
}

async function meshOf(build) {
  if (build === 'plain') return null;
  const sdk = build === 'module' ? await import('/sdk/index.js') : await script('/sdk/meshedflow.js').then(() => window.MeshedFlow);
  return sdk.createMeshedFlow({
    streamId: 'demo',
    signalingUrl: new URL('/mesh', location.href).href.replace(/^http/, 'ws'),
    originBaseUrl: new URL('.', source).href,
    peerId: wish.name,
    remoteConfigUrl: new URL('/policy.json', location.href).href,
    cmafMode: 'serve',
  });
}

function script(src) {
  return new Promise((resolve, reject) => {
    const element = document.createElement('script');
    element.src = src;
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${src} did not load`));
    document.head.appendChild(element);
  });
}

/** In the words of the demo's viewer, so that the same checks hold. */
function report() {
  const sdk = playing && playing.mesh ? playing.mesh.stats() : null;
  return {
    ...wish, failed, errors, warnings, segments, sdk, peers,
    ...meter.report(),
    hungry: hunger.hungry,
    heldUpSeconds: hunger.heldUpSeconds,
    state: failed ? 'failed' : meter.started ? 'playing' : 'joining',
    fromPeers: sdk ? sdk.bytes.peers : 0,
    fromHttp: sdk ? sdk.bytes.http : fragments ? fragments.deliveredBytes : 0,
    deliveredBytes: fragments ? fragments.deliveredBytes : 0,
    deliveredCount: fragments ? fragments.count : 0,
    reasons: count(segments.map((event) => event.reason)),
    height: video.videoHeight,
    webrtc: typeof RTCPeerConnection === 'function',
    modules: performance.getEntriesByType('resource').filter((entry) => /\.wasm$/.test(entry.name)).length,
    seen,
  };
}

function count(words) {
  const counts = {};
  for (const word of words) counts[word] = (counts[word] || 0) + 1;
  return counts;
}
