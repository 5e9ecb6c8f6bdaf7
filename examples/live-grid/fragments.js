// Counts what HLS.js received, at the one door through which all of it comes: the callbacks it hands to its loader.
// Nothing of the SDK's is asked, so this is the independent side of every figure.
//
// (FRAG_LOADED would be too late: by then HLS.js has moved the payload to its worker.)

/** Media bytes and, if asked, one record a fragment. */
export class FragmentLog {
  deliveredBytes = 0;
  count = 0;
  /** `{kind, url, type, sn, part, level, range, bytes, sha256}` and `{buffered: true, url, type, sn, stats}`. */
  records = [];
  /** What came when: `{url, bytes, at, ms}`, `at` in Unix milliseconds, `ms` since HLS.js asked for it. Newest last, 4,096 at most. */
  bodies = [];
  #pending = new Set();
  #wish;

  /** `wish.hash`: SHA-256 of each payload; `wish.records`: `frag.stats` as of FRAG_BUFFERED. */
  constructor(hls, Events, wish) {
    this.#wish = wish;
    const hook = hls.config.fLoader ? 'fLoader' : 'loader';
    hls.config[hook] = this.#watched(hls.config[hook]);
    if (wish.records) hls.on(Events.FRAG_BUFFERED, (_, data) => this.#buffered(data));
  }

  /** Resolves when no digest is under way. */
  async settled() {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #watched(Loader) {
    const log = this;
    return class extends Loader {
      load(context, config, callbacks) {
        const isFragment = context.frag && !context.keyInfo && context.responseType === 'arraybuffer';
        return super.load(context, config, isFragment ? log.#listening(context, callbacks) : callbacks);
      }
    };
  }

  #listening(context, callbacks) {
    const chunks = [];
    const asked = performance.now();
    const heard = {
      ...callbacks,
      onSuccess: (response, ...rest) => {
        const body = chunks.length > 0 ? chunks : [this.#seen(response.data)];
        this.#received(context, body, asked);
        callbacks.onSuccess(response, ...rest);
      },
    };
    if (callbacks.onProgress) {
      heard.onProgress = (stats, about, data, details) => {
        if (data && data.byteLength > 0) chunks.push(this.#seen(data));
        callbacks.onProgress(stats, about, data, details);
      };
    }
    return heard;
  }

  // HLS.js detaches what it gets: what is to be hashed later is copied now.
  #seen(data) {
    return { bytes: data.byteLength, copy: this.#wish.hash ? new Uint8Array(data.slice(0)) : null };
  }

  #received({ frag, part, url }, chunks, asked) {
    const size = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    this.deliveredBytes += size;
    this.count += 1;
    const now = performance.now();
    this.bodies.push({ url, bytes: size, at: performance.timeOrigin + now, ms: now - asked });
    if (this.bodies.length > 4096) this.bodies.shift();
    if (this.#wish.hash) this.#keep(frag, part, chunks, size);
  }

  #keep(frag, part, chunks, size) {
    const source = part ?? frag;
    const record = {
      kind: frag.sn === 'initSegment' ? 'init' : 'media', url: source.url, type: frag.type, sn: frag.sn,
      part: part ? part.index : null, level: frag.level, range: source.byteRange?.length ? [...source.byteRange] : null, bytes: size, sha256: null,
    };
    this.records.push(record);
    const whole = new Uint8Array(size);
    let at = 0;
    for (const { copy } of chunks) { whole.set(copy, at); at += copy.length; }
    const job = sha256(whole).then((digest) => {
      record.sha256 = [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, '0')).join('');
      this.#pending.delete(job);
    });
    this.#pending.add(job);
  }

  #buffered({ frag, part, stats }) {
    const source = part ?? frag;
    this.records.push({ buffered: true, url: source.url, type: frag.type, sn: frag.sn, stats: copyOfStats(stats ?? source.stats) });
  }
}

// Beyond loopback, http has no crypto.subtle; a page may bring a `sha256` of its own.
function sha256(bytes) {
  return crypto.subtle ? crypto.subtle.digest('SHA-256', bytes) : window.sha256(bytes);
}

function copyOfStats(s) {
  return {
    aborted: s.aborted, loaded: s.loaded, total: s.total, retry: s.retry, chunkCount: s.chunkCount, bwEstimate: s.bwEstimate,
    loading: { ...s.loading }, parsing: { ...s.parsing }, buffering: { ...s.buffering },
  };
}
