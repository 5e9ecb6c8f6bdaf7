// Runs in the page: one request by hand, and all that can be seen of it.
/* global lab */
(() => {
  const NUMBERS = (s) => [s.loaded, s.total, s.retry, s.chunkCount, s.bwEstimate, s.loading.start, s.loading.first, s.loading.end, s.parsing.start, s.parsing.end, s.buffering.start, s.buffering.first, s.buffering.end];
  const clone = (s) => s && JSON.parse(JSON.stringify(s, (_k, v) => (typeof v === 'number' && !Number.isFinite(v) ? String(v) : v)));
  const zeroed = (s) => { try { return NUMBERS(s).every((n) => n === 0) && s.aborted === false; } catch { return false; } };
  const TERMINAL = ['success', 'error', 'timeout', 'abort'];

  /** A context as HLS.js makes it. */
  function contextOf({ url, kind, range, headers, as, sn }) {
    const file = new URL(url).pathname.split('/').pop();
    const playlist = new URL('index.m3u8', url).href;
    const context = { url, responseType: { json: 'json', text: 'text' }[kind] || 'arraybuffer', headers: headers || {}, rangeStart: range ? range[0] : 0, rangeEnd: range ? range[1] : 0 };
    if (kind === 'json' || kind === 'text') return context;
    const frag = { sn: kind === 'init' ? 'initSegment' : sn, cc: 0, type: as, level: 0, duration: 4, relurl: file, baseurl: playlist, base: { url: playlist }, url };
    if (kind === 'key') return { ...context, keyInfo: {}, frag };
    return { ...context, frag, part: kind === 'part' ? { index: 2, duration: 1, relurl: file, baseurl: playlist, base: { url: playlist } } : null };
  }

  /**
   * `acts`: `{ at, do }` with `at` = before | start | ms | progress | terminal | after, `do` = abort | destroy.
   * `then`: detach (transfers the body away) | throw | hold (does not destroy the loader).
   */
  async function request({ way, url, kind = 'media', as = 'main', range, headers, limits = [10000, 20000], retry = null, timeoutRetry = null, progress = false, setup = 'none', acts = [], forMs = 4000, settleMs = 60, preset = 0, then = '', sampleMs = 0, twice = false, sn = 1 }) {
    const { Loader, config: player } = lab.loaderOf(way, lab.setups[setup]());
    const calls = [];
    const loader = new Loader(player);
    const born = loader.stats;
    const seen = { calls, samples: [], zeroed: zeroed(born), hasStats: !!born, threw: '' };
    if (born && preset) born.retry = preset;
    const context = contextOf({ url, kind, range, headers, as, sn });
    const loadPolicy = { maxTimeToFirstByteMs: limits[0] === null ? Infinity : limits[0], maxLoadTimeMs: limits[1], timeoutRetry, errorRetry: retry };
    const config = { loadPolicy, timeout: loadPolicy.maxLoadTimeMs, maxRetry: 0, retryDelay: 0, maxRetryDelay: 0, highWaterMark: kind === 'init' ? Infinity : 131072 };
    let inside = true;
    let held = born;
    const holder = () => loader.stats || (context.part || context.frag || {}).stats;
    const meddle = (at) => acts.filter((act) => act.at === at).forEach((act) => { calls.push({ name: `(${act.do}` }); loader[act.do](); calls.push({ name: `${act.do})`, aborted: held ? held.aborted : null }); });
    const note = (name, facts, stats, ctx, details) => {
      const call = { name, at: performance.now(), inside, sameStats: stats === held || (kind === 'key' && !born) || (kind === 'json' && !born), sameContext: ctx === context, stats: clone(stats), timeout: config.timeout, details: details ? { status: details.status, type: details.getResponseHeader ? details.getResponseHeader('content-type') : details.headers && details.headers.get('content-type') } : null, ...facts };
      calls.push(call);
      return call;
    };
    const terminal = (name) => {
      meddle('terminal');
      if (then !== 'hold') loader.destroy();
      if (then === 'throw') throw new Error(`thrown on purpose in ${name}`);
    };
    const hashes = [];
    const bytes = (call, data) => {
      call.type = Object.prototype.toString.call(data).slice(8, -1);
      call.bytes = data && (data.byteLength ?? data.length);
      if (kind === 'json') call.json = data;
      if (data instanceof ArrayBuffer && data.byteLength) hashes.push(lab.sha(data.slice(0)).then((hash) => (call.hash = hash)));
      if (then === 'detach' && data instanceof ArrayBuffer) structuredClone(data, { transfer: [data] });
    };
    const callbacks = {
      onSuccess: (response, stats, ctx, details) => { bytes(note('success', { code: response.code, url: response.url }, stats, ctx, details), response.data); terminal('success'); },
      onError: (error, ctx, details, stats) => { note('error', { code: error.code, text: typeof error.text }, stats, ctx, details); terminal('error'); },
      onTimeout: (stats, ctx, details) => { note('timeout', {}, stats, ctx, details); terminal('timeout'); },
      onAbort: (stats, ctx, details) => { note('abort', {}, stats, ctx, details); terminal('abort'); },
    };
    if (progress) callbacks.onProgress = (stats, ctx, data, details) => { bytes(note('progress', {}, stats, ctx, details), data); meddle('progress'); };
    meddle('before');
    seen.loadAt = performance.now();
    try { loader.load(context, config, callbacks); } catch (error) { seen.threw = error.message; }
    seen.timeoutAtStart = config.timeout;
    held = born || holder();
    inside = false;
    const onFrag = (context.part || context.frag || {}).stats;
    seen.onFrag = !onFrag || onFrag === held;
    seen.contextKept = loader.context === undefined || loader.context === context;
    if (twice) { try { loader.load(context, config, callbacks); seen.second = 'loaded'; } catch (error) { seen.second = error.message; } }
    meddle('start');
    const began = performance.now();
    const sampler = sampleMs && setInterval(() => held && seen.samples.push({ at: performance.now() - seen.loadAt, loaded: held.loaded, total: held.total, first: held.loading.first, end: held.loading.end, over: calls.some((c) => TERMINAL.includes(c.name)) }), sampleMs);
    for (const act of acts.filter((a) => typeof a.at === 'number').sort((a, b) => a.at - b.at)) {
      await lab.wait(Math.max(0, act.at - (performance.now() - began)));
      meddle(act.at);
    }
    while (performance.now() - began < forMs && !calls.some((c) => TERMINAL.includes(c.name))) await lab.wait(5);
    meddle('after');
    await lab.wait(settleMs);
    clearInterval(sampler);
    await Promise.all(hashes);
    return { ...seen, loadAtWall: performance.timeOrigin + seen.loadAt, final: clone(held), clock: performance.now(), ways: lab.isOurs(way) ? lab.waysUnder(url) : [], terminal: calls.filter((c) => TERMINAL.includes(c.name)) };
  }

  lab.request = request;
})();
