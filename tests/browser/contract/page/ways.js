// Runs in the page: how a loader class is come by, and the configurations of players.
/* global Hls, MeshedFlow */
window.lab = (() => {
  const wait = (ms) => new Promise((go) => setTimeout(go, ms));
  const sha = async (buffer) => Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', buffer)), (b) => b.toString(16).padStart(2, '0')).join('');
  const OPTIONS = { streamId: 'contract' };

  // The published snippet, verbatim but for the option values.
  const snippet = () => {
    const { signalingUrl, originBaseUrl, streamId, peerId, remoteConfigUrl } = OPTIONS;
    const { MeshedFlowLoader } = MeshedFlow;
    class SharedLoader {
      constructor() { if (!SharedLoader.core) SharedLoader.core = new MeshedFlowLoader({ signalingUrl, originBaseUrl, streamId,
          peerId, remoteConfigUrl, enableRarestFirst: true, cmafMode: 'advertise-only' }); this.core = SharedLoader.core; }
      load(context, config, callbacks) { this.currentRequest = this.core.load(context, config, callbacks); }
      abort() { if (this.currentRequest) this.currentRequest.abort(); }
      destroy() {}
    }
    return SharedLoader;
  };

  /** A subclass of the package's SharedLoader, as `loader:`. */
  const shared = () => {
    class Mine extends MeshedFlow.SharedLoader {}
    Mine.core = new MeshedFlow.MeshedFlowLoader(OPTIONS);
    return Mine;
  };

  /** A class of the page's own, without a mark of ours, that hands its configuration on. */
  const own = () => {
    const mesh = new MeshedFlow.MeshedFlowLoader(OPTIONS);
    return class {
      constructor(config) { this.config = config; }
      get stats() { return this.request ? this.request.stats : undefined; }
      load(context, config, callbacks) { this.request = mesh.load(context, config, callbacks, this.config); }
      abort() { this.request && this.request.abort(); }
      destroy() { this.request && this.request.destroy(); }
    };
  };

  /** HLS.js's own loader: XhrLoader, or FetchLoader, which only a configuration reveals. */
  const theirs = (fetching) => {
    if (!fetching) return Hls.DefaultConfig.loader;
    const hls = new Hls({ progressive: true });
    const { loader } = hls.config;
    hls.destroy();
    return loader;
  };

  /** What goes into `new Hls(...)`; `way` is `xhr`, one of ours, or `broken:<name>`. */
  const hlsConfig = (way, fetching = false) => {
    const base = fetching ? { loader: theirs(true) } : {};
    const [kind, name] = way.split(':');
    const ways = {
      xhr: () => base,
      broken: () => ({ ...base, fLoader: lab.broken(name, theirs(fetching)) }),
      'broken-all': () => ({ ...base, loader: lab.broken(name, theirs(fetching)), pLoader: theirs(fetching) }),
      hlsConfig: () => MeshedFlow.hlsConfig(OPTIONS, base),
      fragmentLoader: () => ({ ...base, fLoader: MeshedFlow.fragmentLoader(OPTIONS) }),
      snippet: () => ({ loader: snippet(), pLoader: theirs(false) }),
      shared: () => ({ loader: shared(), pLoader: theirs(false) }),
      own: () => ({ loader: own(), pLoader: theirs(false) }),
    };
    return ways[kind]();
  };

  /** The loader class of a way, and the configuration its constructor gets. */
  const loaderOf = (way, player) => {
    const given = hlsConfig(way, !!player.fetching);
    const Loader = given.fLoader || given.loader || theirs(false);
    return { Loader, config: { ...Hls.DefaultConfig, ...player, ...given } };
  };

  const isOurs = (way) => /^(hlsConfig|fragmentLoader|snippet|shared|own)/.test(way);

  /** `plain`: a core is being started, for ever. `mesh`: a core is live; the segment that started it comes from elsewhere. */
  async function begin(condition, options = {}) {
    if (condition === 'xhr') return;
    Object.assign(OPTIONS, options);
    const mesh = (lab.mesh = MeshedFlow.createMeshedFlow(condition === 'plain' ? { ...OPTIONS, wasmUrl: '/never' } : OPTIONS));
    lab.went = [];
    mesh.on('segment', (e) => lab.went.push({ url: e.url, way: e.way, reason: e.reason }));
    await lab.request({ way: 'hlsConfig', url: `${location.origin}/m/v216/seg_5.m4s`, forMs: 8000 });
    const until = performance.now() + 10000;
    const wanted = condition === 'mesh' ? 'on' : 'starting';
    while (mesh.stats().state !== wanted && performance.now() < until) await wait(10);
    const { state, reason } = mesh.stats();
    if (state !== wanted) throw new Error(`the core is ${state} ${reason || ''}`);
    lab.went.length = 0;
  }

  /** The ways of the loads under a URL, so far. */
  const waysUnder = (base) => (lab.went || []).filter((w) => w.url.startsWith(base)).map((w) => w.way);

  return { wait, sha, theirs, hlsConfig, loaderOf, isOurs, begin, waysUnder, OPTIONS };
})();
