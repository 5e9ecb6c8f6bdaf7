// Runs in the page: players, and loaders driven by hand. Everything returns plain data for the suite to judge.
/* global Hls, MeshedFlow */
window.core = { aborted: 0, closed: 0, offered: [], asked: [], reports: [], lanes: [] };

window.lab = (() => {
  const wait = (ms) => new Promise((go) => setTimeout(go, ms));
  const sha = async (buffer) => Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', buffer)), (b) => b.toString(16).padStart(2, '0')).join('');

  // The published snippet, verbatim but for the option values.
  const options = { signalingUrl: undefined, originBaseUrl: undefined, streamId: 'contract', peerId: 'viewer-1', remoteConfigUrl: undefined };
  class SnippetLoader {
    constructor() { if (!SnippetLoader.core) SnippetLoader.core = new MeshedFlow.MeshedFlowLoader({ ...options, enableRarestFirst: true, cmafMode: 'advertise-only' }); this.core = SnippetLoader.core; }
    load(context, config, callbacks) { this.currentRequest = this.core.load(context, config, callbacks); }
    abort() { if (this.currentRequest) this.currentRequest.abort(); }
    destroy() {}
  }

  const ways = {
    plain: () => ({}),
    hlsConfig: () => MeshedFlow.hlsConfig({ streamId: 'contract' }),
    fragmentLoader: () => ({ fLoader: MeshedFlow.fragmentLoader({ streamId: 'contract' }) }),
    snippet: () => ({ loader: SnippetLoader, pLoader: Hls.DefaultConfig.loader }),
    shared: () => {
      class Mine extends MeshedFlow.SharedLoader {}
      Mine.core = new MeshedFlow.MeshedFlowLoader({ streamId: 'contract' });
      return { loader: Mine, pLoader: Hls.DefaultConfig.loader };
    },
  };

  const setups = {
    none: () => ({}),
    cmcdQuery: () => ({ cmcd: { sessionId: 's', contentId: 'c' } }),
    cmcdHeaders: () => ({ cmcd: { sessionId: 's', contentId: 'c', useHeaders: true } }),
    xhrSetup: () => ({ xhrSetup: (xhr, url) => { xhr.open('GET', `${url}?token=a`, true); xhr.setRequestHeader('X-Setup', 'yes'); } }),
    xhrSetupThatNeedsOpen: () => ({ xhrSetup: (xhr) => xhr.setRequestHeader('X-Setup', 'late') }),
    xhrSetupAsync: () => ({ xhrSetup: async (xhr, url) => { await wait(5); xhr.open('GET', url, true); xhr.withCredentials = true; xhr.setRequestHeader('X-Setup', 'async'); } }),
    fetch: () => ({ progressive: true, fetchSetup: (context, init) => { init.headers.set('X-Setup', 'fetch'); return new Request(context.url, init); } }),
    fetchLoader: () => ({ loader: new Hls({ progressive: true }).config.loader, fetchSetup: (context, init) => { init.headers.set('X-Setup', 'fetch'); return new Request(context.url, init); } }),
    worker: () => ({ enableWorker: true }),
  };

  const complete = (s) => s && [s.loaded, s.total, s.retry, s.chunkCount, s.loading.start, s.loading.first, s.loading.end, s.parsing.start, s.parsing.end, s.buffering.start, s.buffering.first, s.buffering.end].every(Number.isFinite)
    // Zero milliseconds of transfer give HLS.js's own loaders an infinite rate, which nobody reads.
    && !Number.isNaN(s.bwEstimate) && typeof s.aborted === 'boolean' && s.loading.start > 0 && s.loading.start <= s.loading.first && s.loading.first <= s.loading.end && s.loaded === s.total && s.loaded > 0;

  /** Plays `url` to its end (all of it buffered, then the last second played). */
  async function play({ way, setup = 'none', url, attach = false, end = 24, config = {} }) {
    const seen = { bodies: {}, stats: [], badStats: [], errors: [], ended: false, events: [] };
    const video = document.querySelector('video');
    const hls = new Hls({ enableWorker: false, startLevel: 0, maxBufferLength: 60, ...setups[setup](), ...ways[way](), ...config });
    const hashes = [];
    hls.on('hlsManifestParsed', () => (hls.loadLevel = 0));
    hls.on('hlsFragLoaded', (_e, data) => {
      // In streaming mode HLS.js detaches the body before anyone sees it.
      if (data.payload && data.payload.byteLength) {
        const copy = data.payload.slice(0);
        hashes.push(sha(copy).then((hash) => (seen.bodies[`${data.frag.type}/${data.frag.sn}`] = hash)));
      }
    });
    hls.on('hlsFragBuffered', (_e, data) => {
      seen.stats.push({ sn: data.frag.sn, loaded: data.stats.loaded });
      if (!complete(data.frag.stats)) seen.badStats.push(JSON.stringify([data.frag.sn, data.frag.stats]));
    });
    hls.on('hlsError', (_e, data) => seen.errors.push(`${data.details}${data.fatal ? ' (fatal)' : ''}: ${data.error && data.error.message}`));
    const detach = attach && way !== 'plain' ? MeshedFlow.attach(hls) : null;
    hls.attachMedia(video);
    hls.loadSource(url);
    const until = performance.now() + 8000;
    const ahead = () => (video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0);
    while (performance.now() < until && ahead() < end - 0.3) await wait(20);
    seen.buffered = ahead();
    video.addEventListener('ended', () => (seen.ended = true), { once: true });
    video.currentTime = end - 0.4;
    await video.play().catch((e) => seen.errors.push(String(e)));
    while (performance.now() < until && !seen.ended) await wait(20);
    seen.bandwidth = hls.bandwidthEstimate;
    hls.destroy();
    if (detach) detach();
    await Promise.all(hashes);
    return seen;
  }

  const policy = (first = 10000, total = 20000) => ({ maxTimeToFirstByteMs: first, maxLoadTimeMs: total, timeoutRetry: null, errorRetry: null });

  /** One request by hand; returns what was called back, in order. `act` meddles: `{ at: 'start' | ms | 'success' ..., do: 'abort' | 'destroy' }`. */
  async function request({ way, url, range, limits, acts = [], forMs = 4000, key = false, json = false, retry = null, progress = false, part = false }) {
    const Class = way === 'plain' ? Hls.DefaultConfig.loader : way === 'snippet' ? SnippetLoader : way === 'shared' ? ways.shared().loader : ways.hlsConfig().fLoader;
    const calls = [];
    const loader = new Class({});
    const frag = key ? undefined : { sn: 1, cc: 0, type: 'main', level: 0, duration: 4, relurl: new URL(url).pathname.split('/').pop(), baseurl: new URL('index.m3u8', url).href };
    const context = { url, responseType: json ? 'json' : 'arraybuffer', headers: {}, rangeStart: range ? range[0] : 0, rangeEnd: range ? range[1] : 0, ...(frag && { frag, part: part ? { index: 2, duration: 1, relurl: frag.relurl, baseurl: frag.baseurl } : null }), ...(key && { keyInfo: {} }) };
    const loadPolicy = policy(...(limits || []));
    loadPolicy.errorRetry = retry;
    const config = { loadPolicy, timeout: loadPolicy.maxLoadTimeMs, maxRetry: 0, retryDelay: 0, maxRetryDelay: 0, highWaterMark: 131072 };
    const meddle = (at) => acts.filter((act) => act.at === at).forEach((act) => { loader[act.do](); calls.push(`(${act.do})`); });
    const stats = () => loader.stats || (context.part || context.frag || {}).stats;
    const terminal = (name) => (text) => { calls.push(text ? `${name} ${text}` : name); meddle('terminal'); loader.destroy(); };
    // The snippet's class has no `stats`; for keys nobody looks for them elsewhere.
    const same = (s, ctx) => (s === held || (key && !loader.stats)) && ctx === context;
    const callbacks = {
      onSuccess: (response, s, ctx, details) => terminal('success')(`${response.code} ${json ? JSON.stringify(response.data) : response.data.byteLength} ${new URL(response.url).pathname} ${same(s, ctx)} ${json ? '' : `${s.loaded}/${s.total}`} ${!!details}`),
      onError: (error, ctx, details, s) => terminal('error')(`${error.code} ${same(s, ctx)}`),
      onTimeout: (s, ctx) => terminal('timeout')(`${same(s, ctx)} ${config.timeout} aborted=${s.aborted}`),
      onAbort: (s, ctx) => terminal('abort')(`${same(s, ctx)} aborted=${s.aborted}`),
    };
    if (progress) callbacks.onProgress = (s, ctx, data) => { calls.push(`progress ${data.byteLength}`); meddle('progress'); };
    let held = loader.stats;
    let inside = true;
    const push = calls.push.bind(calls);
    calls.push = (text) => push(inside && !/^\(/.test(text) && !/^abort/.test(text) ? `SYNC ${text}` : text);
    meddle('before');
    loader.load(context, config, callbacks);
    held = stats();
    meddle('start');
    inside = false;
    const began = performance.now();
    for (const act of acts.filter((a) => typeof a.at === 'number').sort((a, b) => a.at - b.at)) {
      await wait(Math.max(0, act.at - (performance.now() - began)));
      meddle(act.at);
    }
    while (performance.now() - began < forMs && !calls.some((c) => /^(success|error|timeout|abort)/.test(c))) await wait(10);
    meddle('after');
    await wait(60);
    return { calls, aborted: held ? held.aborted : null, complete: calls.some((c) => /^success/.test(c)) ? complete(held) : null, loading: held && held.loading };
  }

  return { play, request, wait, sha, ways };
})();

/** How a scripted core answers; set before the player starts. */
window.script = (how) => {
  const fetchBody = async (request) => {
    const headers = request.range ? { Range: `bytes=${request.range[0]}-${request.range[1] - 1}` } : {};
    return (await fetch(request.url, { headers })).arrayBuffer();
  };
  const peerLike = (from) => ({ fromPeers: from, fromHttp: 0, reportBps: 8e6, reportTtfbMs: 20, reason: 'peer' });
  const ways = {
    /** In three steps, as from peers. */
    async peers(request, sink) {
      sink.due(performance.now() + 2000, 'peer');
      const body = await fetchBody(request);
      sink.progress(Math.floor(body.byteLength / 2), body.byteLength);
      await lab.wait(20);
      sink.loaded(body, peerLike(body.byteLength));
    },
    /** Over HTTP, the core leading. */
    async http(request, sink) {
      sink.due(null, 'no-peers');
      const response = await fetch(request.url, request.range && { headers: { Range: `bytes=${request.range[0]}-${request.range[1] - 1}` } });
      sink.httpHead(response.status, response.url, response);
      const body = await response.arrayBuffer();
      sink.httpBytes(body.byteLength, body.byteLength);
      sink.loaded(body, { fromPeers: 0, fromHttp: body.byteLength, reportBps: null, reportTtfbMs: 0, reason: 'no-peers' });
    },
    /** Never a word. */
    silent() {},
    /** Half a body, then dead. */
    async dies(request, sink) {
      sink.due(performance.now() + 2000, 'peer');
      sink.progress(1000, 100000);
      await lab.wait(30);
      sink.dead();
    },
    /** Another way each time. */
    mixed(request, sink) {
      const all = ['peers', 'http', 'silent', 'dies'];
      ways[all[window.core.asked.length % all.length]](request, sink);
    },
  };
  window.core.answer = ways[how];
};
