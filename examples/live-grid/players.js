// The ways to put MeshedFlow under HLS.js. Each returns {hls, stats, close}; `stats` is null where there is no SDK.

const RELEASES = { 1.5: '1.5.20', 1.6: '1.6.19', 1.7: '1.7.4' };

/** Full version for `1.5`, `1.6`, `1.7` or a full version. */
export function release(wish) {
  return RELEASES[wish] ?? (Object.values(RELEASES).includes(wish) ? wish : RELEASES['1.7']);
}

/** Loads HLS.js as a classic script, as most pages do. */
export function loadHls(version) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `/vendor/hls.js/${version}/hls.js`;
    script.onload = () => resolve(window.Hls);
    script.onerror = () => reject(new Error(`hls.js ${version} did not load from ${script.src}`));
    document.head.append(script);
  });
}

// The distance to the live edge decides every figure, so it is pinned; all else is as HLS.js comes.
const PLAYER = { liveSyncDurationCount: 3 };

const WAYS = { plain, config, fragment, snippet, shared };

/** Builds the player in one of the {@link WAYS}; `options` are those of the SDK. */
export async function player(way, Hls, options) {
  const build = WAYS[way];
  if (!build) throw new Error(`unknown way "${way}"; expected one of ${Object.keys(WAYS).join(', ')}`);
  return build(Hls, way === 'plain' ? null : await import('/sdk/index.js'), options);
}

function plain(Hls) {
  return { hls: new Hls({ ...PLAYER }), mesh: null };
}

/** The short form: one call gives the configuration. */
function config(Hls, sdk, options) {
  const mesh = sdk.createMeshedFlow(options);
  const hls = new Hls({ ...PLAYER, ...mesh.hlsConfig() });
  mesh.attach(hls);
  return { hls, mesh };
}

/** The narrow hook: fragments only; keys and playlists stay with HLS.js. */
function fragment(Hls, sdk, options) {
  const mesh = sdk.createMeshedFlow(options);
  const hls = new Hls({ ...PLAYER, fLoader: mesh.fragmentLoader });
  return { hls, mesh };
}

/** The class of the published snippet, word for word: it has no `stats` of its own (HLS.js 1.5 and 1.6). */
function snippet(Hls, sdk, options) {
  const { MeshedFlowLoader } = sdk;
  const { signalingUrl, originBaseUrl, streamId, peerId, remoteConfigUrl } = options;
  class SharedLoader {
    constructor() { if (!SharedLoader.core) SharedLoader.core = new MeshedFlowLoader({ signalingUrl, originBaseUrl, streamId,
        peerId, remoteConfigUrl, enableRarestFirst: true, cmafMode: 'advertise-only' }); this.core = SharedLoader.core; }
    load(context, config, callbacks) { this.currentRequest = this.core.load(context, config, callbacks); }
    abort() { if (this.currentRequest) this.currentRequest.abort(); }
    destroy() {}
  }
  const hls = new Hls({ ...PLAYER, loader: SharedLoader, pLoader: Hls.DefaultConfig.loader });
  return { hls, get mesh() { return SharedLoader.core ?? null; } };
}

/** The same, with the class that the SDK brings: HLS.js 1.7 writes to `loader.stats` before `load()`. */
function shared(Hls, sdk, options) {
  const Loader = sdk.SharedLoader.with(options);
  const hls = new Hls({ ...PLAYER, loader: Loader, pLoader: Hls.DefaultConfig.loader });
  return { hls, get mesh() { return Loader.core ?? null; } };
}
