// The ways to put MeshedFlow under HLS.js. Each gives `{hls, mesh}`; `mesh` is null where there is none (yet).

const RELEASES = { 1.5: '1.5.20', 1.6: '1.6.19', 1.7: '1.7.4' };

/** Full version for `1.5`, `1.6`, `1.7` or a full version. */
export function release(wish) {
  return RELEASES[wish] ?? (Object.values(RELEASES).includes(wish) ? wish : RELEASES['1.7']);
}

// The distance to the live edge decides every figure, so it is pinned; all else is as HLS.js comes, or as a page that
// wants more has it.
const PLAYER = { liveSyncDurationCount: 3, ...window.playerSettings };

const WAYS = { plain, config, fragment, snippet, shared };

/**
 * Builds the player in one of the {@link WAYS}, with the SDK's `options`: `{Hls, hls, mesh}`. A page that compares may bring
 * a way of its own, `anotherPlayer(Hls, settings)`.
 */
export async function player(way, version, options) {
  if (window.anotherPlayer) return window.anotherPlayer(await loadHls(version), PLAYER);
  const build = WAYS[way];
  if (!build) throw new Error(`unknown way "${way}"; expected one of ${Object.keys(WAYS).join(', ')}`);
  const [Hls, sdk] = await Promise.all([loadHls(version), way === 'plain' ? null : import('/sdk/index.js')]);
  const built = build(Hls, sdk, options);
  return Object.defineProperty(built, 'Hls', { value: Hls, enumerable: true });
}

// HLS.js comes as a classic script, as on most pages.
function loadHls(version) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `/vendor/hls.js/${version}/hls.js`;
    script.onload = () => resolve(window.Hls);
    script.onerror = () => reject(new Error(`HLS.js ${version} did not load from ${script.src}`));
    document.head.append(script);
  });
}

function plain(Hls) {
  return { hls: new Hls({ ...PLAYER }), mesh: null };
}

/** The short form, with the player attached. */
function config(Hls, { createMeshedFlow }, options) {
  const mesh = createMeshedFlow(options);
  const hls = new Hls(mesh.hlsConfig(PLAYER));
  mesh.attach(hls);
  return { hls, mesh };
}

/** The narrow hook alone: keys and playlists stay with HLS.js, nothing is attached. */
function fragment(Hls, { createMeshedFlow }, options) {
  const mesh = createMeshedFlow(options);
  return { hls: new Hls({ ...PLAYER, fLoader: mesh.fragmentLoader }), mesh };
}

/** The class of the published snippet, word for word: it has no `stats` of its own (HLS.js 1.5 and 1.6). */
function snippet(Hls, { MeshedFlowLoader }, { signalingUrl, originBaseUrl, streamId, peerId, remoteConfigUrl }) {
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

/** The same with the class that the SDK brings: HLS.js 1.7 writes to `loader.stats` before it calls `load()`. */
function shared(Hls, { MeshedFlowLoader, SharedLoader }, options) {
  SharedLoader.core = new MeshedFlowLoader(options);
  const hls = new Hls({ ...PLAYER, loader: SharedLoader, pLoader: Hls.DefaultConfig.loader });
  return { hls, mesh: SharedLoader.core };
}
