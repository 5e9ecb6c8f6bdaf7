// Runs in the page: whole players.
/* global Hls, MeshedFlow, lab */
(() => {
  const FINITE = (s) => [s.loaded, s.total, s.retry, s.chunkCount, s.loading.start, s.loading.first, s.loading.end, s.parsing.start, s.parsing.end, s.buffering.start, s.buffering.first, s.buffering.end].every(Number.isFinite)
    && typeof s.aborted === 'boolean' && s.loading.start > 0 && s.loading.start <= s.loading.first && s.loading.first <= s.loading.end && s.loaded === s.total && s.loaded > 0;
  const ahead = (video) => (video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0);

  const CONFIGS = {
    none: () => ({}),
    worker: () => ({ enableWorker: true }),
    progressive: () => ({ progressive: true, fetching: true }),
    cmcdQuery: () => ({ cmcd: { sessionId: 's', contentId: 'c' } }),
    cmcdHeaders: () => ({ cmcd: { sessionId: 's', contentId: 'c', useHeaders: true } }),
    lowLatency: () => ({ lowLatencyMode: true }),
    bitrateTest: () => ({ startLevel: -1, testBandwidth: true, abrEwmaDefaultEstimate: 5e6 }),
  };

  /** A player with all that it tells written down; `destroy()` ends it. */
  function player({ way, setup = 'none', config = 'none', url, attach = false, video = 0, more = {} }) {
    const element = document.querySelectorAll('video')[video];
    const own = CONFIGS[config]();
    const { fetching: a, ...page } = own;
    const { fetching: b, ...setups } = lab.setups[setup]();
    const hls = new Hls({ enableWorker: false, startLevel: 0, maxBufferLength: 60, ...page, ...setups, ...more, ...lab.hlsConfig(way, !!(a || b)) });
    if (config !== 'bitrateTest') hls.on('hlsManifestParsed', () => (hls.loadLevel = 0));
    const seen = { bodies: {}, stats: [], badStats: [], errors: [], loaded: [], cues: [], tests: 0 };
    const hashes = [];
    hls.on('hlsFragLoading', (_e, { frag }) => (seen.tests += Number(!!frag.bitrateTest)));
    hls.on('hlsFragLoaded', (_e, { frag, part, payload }) => {
      const name = `${frag.type}/${frag.sn}${part ? `.${part.index}` : ''}`;
      seen.loaded.push(name);
      // In streaming mode HLS.js detaches the body before anyone sees it.
      if (payload && payload.byteLength) {
        const copy = payload.slice(0);
        hashes.push(lab.sha(copy).then((hash) => (seen.bodies[name] = hash)));
      }
    });
    hls.on('hlsFragBuffered', (_e, { frag, part, stats }) => {
      seen.stats.push(`${frag.type}/${frag.sn}${part ? `.${part.index}` : ''} ${stats.loaded}`);
      if (!FINITE(part ? part.stats : frag.stats)) seen.badStats.push(JSON.stringify([frag.sn, part && part.index, part ? part.stats : frag.stats]));
    });
    // 1.7 tells of loads that it gave up by itself.
    hls.on('hlsError', (_e, data) => data.details === 'aborted' || seen.errors.push(`${data.details}${data.fatal ? ' (fatal)' : ''}: ${data.error && data.error.message}`));
    const detach = attach && lab.isOurs(way) ? MeshedFlow.createMeshedFlow(lab.OPTIONS).attach(hls) : null;
    hls.attachMedia(element);
    hls.loadSource(url);
    const destroy = async () => {
      seen.bandwidth = hls.bandwidthEstimate;
      seen.buffered = ahead(element);
      hls.destroy();
      if (detach) detach();
      await Promise.all(hashes);
      return seen;
    };
    return { hls, video: element, seen, destroy };
  }

  async function until(condition, ms = 8000) {
    const end = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > end) return false;
      await lab.wait(10);
    }
    return true;
  }

  /** Buffers `end` seconds, then plays the last of them. */
  async function toEnd({ hls, video, seen }, end = 12) {
    void hls;
    await until(() => ahead(video) >= end - 0.3);
    seen.ended = false;
    video.addEventListener('ended', () => (seen.ended = true), { once: true });
    video.currentTime = end - 0.3;
    await video.play().catch((e) => seen.errors.push(String(e)));
    await until(() => seen.ended, 4000);
  }

  async function play(what) {
    const p = player(what);
    await toEnd(p, what.end);
    const seen = await p.destroy();
    seen.core = lab.mesh ? lab.mesh.stats().loads : null;
    seen.ways = (lab.went || []).map((w) => w.way);
    return seen;
  }

  Object.assign(lab, { player, play, toEnd, until, ahead });
})();
