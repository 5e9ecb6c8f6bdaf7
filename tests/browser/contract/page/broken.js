// Runs in the page: loaders with one defect each, made of HLS.js's own. A check that stays green with the loader made
// for it proves nothing.
/* global lab */
(() => {
  /** A subclass whose callbacks go through `hooks(theirs, loader, context)`. */
  const hooked = (Base, hooks) => class extends Base {
    load(context, config, callbacks) { super.load(context, config, { ...callbacks, ...hooks(callbacks, this, context, config) }); }
  };
  /** A subclass that asks with another context; HLS.js still gets its own back. */
  const asking = (Base, change) => class extends Base {
    load(context, config, callbacks) {
      const back = { ...callbacks };
      const place = { onSuccess: 2, onError: 1, onTimeout: 1, onAbort: 1, onProgress: 1 };
      for (const name of Object.keys(back)) if (back[name]) back[name] = (...args) => { args[place[name]] = context; callbacks[name](...args); };
      super.load({ ...context, ...change(context) }, config, back);
    }
  };
  /** A subclass with another policy, writing its timer into a copy unless `write`. */
  const limiting = (Base, change, write = true) => class extends Base {
    load(context, config, callbacks) {
      const other = { ...config, loadPolicy: { ...config.loadPolicy, ...change(config.loadPolicy) } };
      super.load(context, other, callbacks);
      if (write) config.timeout = other.timeout;
    }
  };
  /** A subclass whose statistics read otherwise: `read(member, value, stats)`. */
  const reading = (Base, read) => class extends Base {
    constructor(config) {
      super(config);
      const { stats } = this;
      for (const [object, names] of [[stats, ['loaded', 'total']], [stats.loading, ['start', 'first', 'end']]]) {
        for (const name of names) {
          let value = object[name];
          const raw = () => value;
          Object.defineProperty(object, name, { enumerable: true, get: () => read(name, raw(), stats), set: (v) => (value = v) });
        }
      }
    }
  };
  const cache = new Map();
  let running = 0;
  let firstHost = '';

  const defects = {
    'second-terminal': (Base) => hooked(Base, (theirs) => ({
      onSuccess: (...a) => { theirs.onSuccess(...a); setTimeout(() => theirs.onSuccess(...a), 10); },
      onError: (...a) => { theirs.onError(...a); setTimeout(() => theirs.onError(...a), 10); },
      onTimeout: (...a) => { theirs.onTimeout(...a); setTimeout(() => theirs.onTimeout(...a), 10); },
    })),
    'throw-becomes-error': (Base) => hooked(Base, (theirs) => ({
      onSuccess: (r, s, c, d) => { try { theirs.onSuccess(r, s, c, d); } catch { theirs.onError({ code: 0, text: 'x' }, c, d, s); } },
    })),
    'destroy-does-nothing': (Base) => class extends Base { destroy() {} },
    'abort-async': (Base) => class extends Base {
      abort() { const { callbacks, context, stats } = this; const { onAbort } = callbacks || {}; if (onAbort) callbacks.onAbort = undefined; super.abort(); setTimeout(() => onAbort && onAbort(stats, context, null)); }
    },
    'abort-unmarked': (Base) => hooked(Base, (theirs) => ({ onAbort: (s, c, d) => { s.aborted = false; theirs.onAbort(s, c, d); } })),
    'abort-silent': (Base) => hooked(Base, () => ({ onAbort: undefined })),
    'abort-twice': (Base) => hooked(Base, (theirs) => ({ onAbort: (...a) => { theirs.onAbort(...a); theirs.onAbort(...a); } })),
    'abort-throws-unloaded': (Base) => class extends Base { abort() { if (!this.context) throw new Error('nothing to abort'); super.abort(); } },
    'abort-keeps-transfer': (Base) => class extends Base {
      abort() { const { callbacks, context, stats } = this; this.callbacks = null; stats.aborted = true; callbacks && callbacks.onAbort(stats, context, null); }
      destroy() {}
    },
    'destroy-keeps-transfer': (Base) => class extends Base { destroy() { this.callbacks = null; } },
    'destroy-aborts-aloud': (Base) => class extends Base { destroy() { const { callbacks } = this; if (callbacks && !this.stats.loading.end && !this.stats.aborted) this.abort(); super.destroy(); } },
    'stats-replaced': (Base) => class extends Base { load(...a) { this.stats = JSON.parse(JSON.stringify(this.stats)); super.load(...a); } },
    'stats-incomplete': (Base) => class extends Base { constructor(c) { super(c); delete this.stats.buffering; } },
    'retry-reset': (Base) => class extends Base { load(...a) { this.stats.retry = 0; super.load(...a); } },
    'loads-twice': (Base) => class extends Base { load(...a) { if (this.stats.loading.start) return; super.load(...a); } },
    'nan-times': (Base) => hooked(Base, (theirs) => ({ onSuccess: (r, s, c, d) => { s.loading.first = NaN; theirs.onSuccess(r, s, c, d); } })),
    'first-zero': (Base) => hooked(Base, (theirs) => ({ onSuccess: (r, s, c, d) => { s.loading.first = 0; theirs.onSuccess(r, s, c, d); } })),
    'epoch-times': (Base) => reading(Base, (name, v) => (/start|first|end/.test(name) && v ? v + performance.timeOrigin : v)),
    'loaded-equals-total': (Base) => reading(Base, (name, v, s) => (name === 'total' ? s.loaded : v)),
    'loaded-jumps-back': (Base) => reading(Base, (name, v, s) => (name === 'loaded' && v && !s.loading.end ? v * (0.5 + 0.5 * Math.random()) : v)),
    'loaded-at-end': (Base) => reading(Base, (name, v, s) => (name === 'loaded' && !s.loading.end ? 0 : v)),
    'first-at-end': (Base) => reading(Base, (name, v, s) => (name === 'first' && !s.loading.end ? 0 : v)),
    'total-unknown': (Base) => reading(Base, (name, v, s) => (name === 'total' && !s.loading.end ? 0 : v)),
    'total-too-small': (Base) => reading(Base, (name, v, s) => (name === 'total' && s.loaded && !s.loading.end ? 1000 : v)),
    'no-progress': (Base) => hooked(Base, () => ({ onProgress: undefined })),
    'progress-after': (Base) => hooked(Base, (theirs) => ({ onProgress: undefined, onSuccess: (r, s, c, d) => { theirs.onSuccess(r, s, c, d); theirs.onProgress && theirs.onProgress(s, c, r.data, d); } })),
    'streamed-empty': (Base) => hooked(Base, (theirs) => ({ onSuccess: (r, s, c, d) => theirs.onSuccess({ ...r, data: new ArrayBuffer(0) }, s, c, d) })),
    'body-truncated': (Base) => hooked(Base, (theirs) => ({ onSuccess: (r, s, c, d) => theirs.onSuccess({ ...r, data: r.data.slice(0, -1) }, s, c, d) })),
    'body-as-view': (Base) => hooked(Base, (theirs) => ({ onSuccess: (r, s, c, d) => theirs.onSuccess({ ...r, data: r.data.byteLength ? new Uint8Array(r.data) : r.data }, s, c, d) })),
    'code-0': (Base) => hooked(Base, (theirs) => ({ onError: (e, c, d, s) => theirs.onError({ ...e, code: 0 }, c, d, s) })),
    'code-missing': (Base) => hooked(Base, (theirs) => ({ onSuccess: (r, s, c, d) => theirs.onSuccess({ ...r, code: undefined }, s, c, d) })),
    'errors-succeed': (Base) => hooked(Base, (theirs) => ({ onError: (e, c, d, s) => { s.loading.end = performance.now(); theirs.onSuccess({ url: c.url, data: new ArrayBuffer(8), code: e.code }, s, c, d); } })),
    'url-as-asked': (Base) => hooked(Base, (theirs, _l, context) => ({ onSuccess: (r, s, c, d) => theirs.onSuccess({ ...r, url: context.url }, s, c, d) })),
    'no-details': (Base) => hooked(Base, (theirs) => ({ onSuccess: (r, s, c) => theirs.onSuccess(r, s, c, null), onError: (e, c, _d, s) => theirs.onError(e, c, null, s) })),
    'sync-success': (Base) => class extends Base {
      load(context, config, callbacks) {
        const hit = cache.get(context.url);
        if (!hit) return super.load(context, config, { ...callbacks, onSuccess: (r, s, c, d) => { cache.set(context.url, r.data.slice(0)); callbacks.onSuccess(r, s, c, d); } });
        const now = performance.now();
        this.context = context;
        Object.assign(this.stats.loading, { start: now, first: now, end: now });
        this.stats.loaded = this.stats.total = hit.byteLength;
        callbacks.onSuccess({ url: context.url, data: hit.slice(0), code: 200 }, this.stats, context, null);
      }
    },
    'shared-buffer': (Base) => hooked(Base, (theirs, _l, context) => ({
      onSuccess: (r, s, c, d) => { if (!cache.has(context.url)) cache.set(context.url, r.data); theirs.onSuccess({ ...r, data: cache.get(context.url) }, s, c, d); },
    })),
    'retries-inside': (Base) => hooked(Base, (theirs, _l, context, config) => ({
      onError: (...a) => { if (!context.again) new Base({}).load({ ...context, again: 1 }, { ...config }, { onSuccess() {}, onError: () => theirs.onError(...a), onTimeout() {} }); },
      onTimeout: (...a) => new Base({}).load({ ...context }, { ...config }, { onSuccess() {}, onError() {}, onTimeout: () => theirs.onTimeout(...a) }),
    })),
    'retries-never': (Base) => limiting(Base, () => ({ errorRetry: null, timeoutRetry: null })),
    'no-limits': (Base) => limiting(Base, () => ({ maxTimeToFirstByteMs: 60000, maxLoadTimeMs: 60000 }), false),
    'no-first-limit': (Base) => limiting(Base, () => ({ maxTimeToFirstByteMs: 0 })),
    'limit-too-early': (Base) => limiting(Base, (p) => ({ maxTimeToFirstByteMs: p.maxTimeToFirstByteMs / 3, maxLoadTimeMs: p.maxLoadTimeMs / 3 })),
    'limit-restarts': (Base) => limiting(Base, (p) => ({ maxLoadTimeMs: p.maxLoadTimeMs * 2.2 })),
    'timer-unwritten': (Base) => limiting(Base, () => ({}), false),
    'limit-from-load': (Base) => class extends Base {
      load(context, config, callbacks) { super.load(context, config, callbacks); const { stats } = this; setTimeout(() => { if (!stats.loading.first && this.callbacks) { const { onTimeout } = this.callbacks; super.abort(); onTimeout(stats, context, null); } }, config.loadPolicy.maxTimeToFirstByteMs); }
    },
    'range-ignored': (Base) => asking(Base, () => ({ rangeStart: 0, rangeEnd: 0 })),
    'range-inclusive': (Base) => asking(Base, (c) => (c.rangeEnd ? { rangeEnd: c.rangeEnd + 1 } : {})),
    'headers-dropped': (Base) => asking(Base, () => ({ headers: {} })),
    'query-stripped': (Base) => asking(Base, (c) => ({ url: c.url.replace(/[?&]CMCD=[^&]*/, '') })),
    'extra-header': (Base) => asking(Base, (c) => ({ headers: { ...c.headers, 'X-Mesh': '1' } })),
    'range-always': (Base) => asking(Base, (c) => (c.rangeEnd ? {} : { rangeStart: 0, rangeEnd: 9999999 })),
    'cache-buster': (Base) => asking(Base, (c) => ({ url: `${c.url}${c.url.includes('?') ? '&' : '?'}_=${Math.random()}` })),
    'setup-ignored': (Base) => class extends Base { constructor(c) { super({ ...c, xhrSetup: undefined, fetchSetup: undefined }); } },
    'setup-once': (Base) => class extends Base { constructor(c) { const { xhrSetup } = c; super({ ...c, xhrSetup: xhrSetup && ((xhr, ...a) => { try { const done = xhrSetup(xhr, ...a); if (done && done.catch) done.catch(() => {}); } catch { /* swallowed */ } }) }); } },
    'setup-not-awaited': (Base) => class extends Base { constructor(c) { const { xhrSetup } = c; super({ ...c, xhrSetup: xhrSetup && ((...a) => void xhrSetup(...a).catch(() => {})) }); } },
    'setup-not-reopened': (Base) => class extends Base { constructor(c) { const { xhrSetup } = c; super({ ...c, xhrSetup: xhrSetup && ((xhr, ...a) => { try { xhrSetup(xhr, ...a); } catch { if (!xhr.readyState) xhr.open('GET', a[0]); xhrSetup(xhr, ...a); } }) }); } },
    'setup-without-context': (Base) => class extends Base { constructor(c) { const { xhrSetup } = c; super({ ...c, xhrSetup: xhrSetup && ((xhr, url) => xhrSetup(xhr, url)) }); } },
    'handlers-taken': (Base) => class extends Base { constructor(c) { const { xhrSetup } = c; super({ ...c, xhrSetup: xhrSetup && ((xhr, ...a) => { xhrSetup(xhr, ...a); xhr.onload = xhr.onerror = xhr.onloadend = null; }) }); } },
    'own-abort-unheard': (Base) => hooked(Base, (theirs, _l, _c) => ({ onError: (e, c, d, s) => { if (e.code) theirs.onError(e, c, d, s); } })),
    'credentials-forgotten': (Base) => class extends Base { constructor(c) { const { xhrSetup } = c; super({ ...c, xhrSetup: xhrSetup && ((xhr, ...a) => { xhrSetup(xhr, ...a); xhr.withCredentials = false; }), fetchSetup: c.fetchSetup && undefined }); } },
    'credentials-always': (Base) => class extends Base { constructor(c) { super({ ...c, xhrSetup: (xhr) => { xhr.withCredentials = true; } }); } },
    'starts-late': (Base) => class extends Base { load(...a) { setTimeout(() => this.stats && super.load(...a), 160); } },
    'asks-twice': (Base) => class extends Base { load(context, ...a) { super.load(context, ...a); fetch(context.url, { headers: context.headers }).catch(() => {}); } },
    'preflights': (Base) => class extends Base { constructor(c) { super({ ...c, xhrSetup: (xhr, url) => { xhr.open('GET', url, true); xhr.setRequestHeader('X-Mesh', '1'); } }); } },
    'json-as-text': (Base) => asking(Base, (c) => (c.responseType === 'json' ? { responseType: 'text' } : {})),
    'bytes-as-text': (Base) => asking(Base, () => ({ responseType: 'text' })),
    'subtitles-as-text': (Base) => asking(Base, (c) => (c.frag && c.frag.type === 'subtitle' ? { responseType: 'text' } : {})),
    'keys-as-media': (Base) => hooked(Base, (theirs, _l, context) => (context.keyInfo ? { onSuccess: (r, s, c, d) => theirs.onSuccess({ ...r, data: new Uint8Array(r.data).reverse().buffer }, s, c, d) } : {})),
    'init-lost': (Base) => class extends Base { load(context, ...a) { if (context.frag && context.frag.sn === 'initSegment' && !(context.frag.lost = !context.frag.lost)) return; if (context.frag && context.frag.sn === 'initSegment') return; super.load(context, ...a); } },
    'one-at-a-time': (Base) => class extends Base {
      load(context, config, callbacks) { const free = () => this.mine && (running--, (this.mine = 0)); if (running) return callbacks.onError({ code: 429, text: 'busy' }, context, null, this.stats); running++; this.mine = 1; this.free = free; super.load(context, config, { ...callbacks, onSuccess: (...a) => { free(); callbacks.onSuccess(...a); } }); }
      destroy() { this.free && this.free(); super.destroy(); }
    },
    'host-pinned': (Base) => asking(Base, (c) => { const url = new URL(c.url); firstHost = firstHost || url.host; url.host = firstHost; return { url: url.href }; }),
    'parts-as-whole': (Base) => asking(Base, (c) => (c.part ? { rangeStart: 0, rangeEnd: 0 } : {})),
    'fails-sometimes': (Base) => class extends Base { load(context, config, callbacks) { running++; if (running % 3 === 0) return void setTimeout(() => callbacks.onError({ code: 0, text: 'peer' }, context, null, this.stats)); super.load(context, config, callbacks); } },
    'plays-nothing': (Base) => Base,
    'wrong-media': (Base) => hooked(Base, (theirs) => ({ onSuccess: (r, s, c, d) => { new Uint8Array(r.data).fill(0, r.data.byteLength / 2); theirs.onSuccess(r, s, c, d); } })),
  };

  lab.broken = (name, Base) => {
    if (!defects[name]) throw new Error(`no broken loader is called ${name}`);
    return defects[name](Base);
  };
  lab.defects = Object.keys(defects);
})();
