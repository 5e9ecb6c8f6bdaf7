// A viewer without a picture: follows live playlists and loads each new segment through the SDK's loader, as HLS.js
// would, then hashes it. Query: `name`, `memory` bytes of store. Reads: `window.soak`.

import { MeshedFlowLoader } from '/sdk/index.js';

const query = new URLSearchParams(location.search);
const BASE = new URL('/live/demo/', location.href).href;
const POLL_MS = 250;
const BEHIND = 8; // segments behind the newest, where a viewer begins
const policy = { maxTimeToFirstByteMs: 10_000, maxLoadTimeMs: 20_000, timeoutRetry: null, errorRetry: null };

const mesh = new MeshedFlowLoader({
  streamId: 'demo',
  signalingUrl: new URL('/mesh', location.href).href.replace(/^http/, 'ws'),
  originBaseUrl: BASE,
  peerId: query.get('name'),
  remoteConfigUrl: new URL('/policy.json', location.href).href,
  cmafMode: 'serve',
  memoryBytes: Number(query.get('memory')),
});

const state = { loaded: 0, failed: [], bytes: 0, fromPeers: 0, ways: {}, reasons: {}, open: 0, gaps: 0 };
let digests = [];
mesh.on('segment', ({ way, reason, fromPeers, bytes }) => {
  state.ways[way] = (state.ways[way] ?? 0) + 1;
  state.reasons[reason] = (state.reasons[reason] ?? 0) + 1;
  state.fromPeers += fromPeers;
  state.bytes += bytes;
});

window.soak = {
  mesh,
  state: () => ({ ...state, stats: mesh.stats(), memory: window.__cost?.memory?.buffer.byteLength ?? 0 }),
  /** Digests since the last call: [path, bytes, sha256]. */
  digests: () => digests.splice(0),
};

for (const [lane, type] of [['v216', 'main'], ['a64', 'audio']]) follow(lane, type);

async function follow(lane, type) {
  const playlist = `${BASE}${lane}/index.m3u8`;
  const base = { type, level: 0, cc: 0, baseurl: playlist };
  const init = { ...base, sn: 'initSegment', relurl: 'init.mp4', url: `${BASE}${lane}/init.mp4`, initSegment: null };
  await load(init);
  let next = -1;
  for (;;) {
    const text = await (await fetch(playlist, { cache: 'no-store' })).text();
    const first = Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(text)[1]);
    const uris = text.split('\n').filter((line) => line && !line.startsWith('#'));
    if (next < 0) next = Math.max(first, first + uris.length - BEHIND);
    if (next < first) { state.gaps += first - next; next = first; }
    for (; next < first + uris.length; next += 1) {
      const uri = uris[next - first];
      await load({ ...base, sn: next, relurl: uri, url: `${BASE}${lane}/${uri}`, duration: 0.25, initSegment: init });
    }
    await new Promise((go) => { setTimeout(go, POLL_MS); });
  }
}

function load(frag) {
  return new Promise((done) => {
    const end = (problem) => {
      state.open -= 1;
      if (problem) state.failed.push(`${frag.sn}: ${problem}`);
      done();
    };
    state.open += 1;
    const config = { loadPolicy: policy, timeout: 0, maxRetry: 0, retryDelay: 0, maxRetryDelay: 0 };
    const loader = new mesh.fragmentLoader({});
    loader.load({ url: frag.url, frag, responseType: 'arraybuffer' }, config, {
      onSuccess: ({ data }) => {
        state.loaded += 1;
        const { byteLength } = data;
        const { start, first, end: last } = loader.stats.loading;
        const sane = start > 0 && start <= first && first <= last && loader.stats.loaded === byteLength;
        crypto.subtle.digest('SHA-256', data).then((hash) => {
          digests.push([new URL(frag.url).pathname, byteLength, Array.from(new Uint8Array(hash), (b) => b.toString(16).padStart(2, '0')).join('')]);
        });
        loader.destroy();
        end(sane ? null : `statistics ${JSON.stringify(loader.stats)}`);
      },
      onError: (error) => end(JSON.stringify(error)),
      onTimeout: () => end('timeout'),
      onAbort: () => {},
    });
  });
}
