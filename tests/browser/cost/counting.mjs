// Counts, inside a page, what the SDK copies and how often it crosses into wasm and out of it. Each function is handed
// to the page as text, before any script of the page runs, and so stands alone. Reads: `window.__cost`.

/** Bytes copied by the SDK's own code, bytes in and out of the page, crossings of the border to wasm. */
export function countsCost() {
  const cost = {
    /** Copies between JavaScript buffers, and into the module's memory, in bytes. */
    copied: 0, intoWasm: 0, outOfWasm: 0,
    /** Bytes that streamed bodies brought, that came on and left by data channels (heads included),
     * and that came on control channels. */
    streamed: 0, received: 0, sent: 0, control: 0,
    /** By export: calls in, calls out during them, most calls out during one; by import: calls. */
    into: {}, outOf: {},
    memory: null,
  };
  window.__cost = cost;
  const SMALL = 512; // heads and numbers
  const OURS = /\/sdk\//;
  // Whose line copies, not who called it: HLS.js does its own copying in our callbacks. Above it: this, note, the method.
  const ours = () => OURS.test(new Error().stack.split('\n')[4] ?? '');

  const proto = Object.getPrototypeOf(Uint8Array.prototype);
  const note = (bytes, from, to) => {
    const wasm = cost.memory?.buffer;
    if (bytes < SMALL || !ours()) return;
    if (to === wasm) cost.intoWasm += bytes;
    else if (from === wasm) cost.outOfWasm += bytes;
    else cost.copied += bytes;
  };
  const { set, slice } = proto;
  proto.set = function (source, at) {
    note(source?.byteLength ?? 0, source?.buffer, this.buffer);
    return set.call(this, source, at);
  };
  proto.slice = function (...range) {
    const made = slice.apply(this, range);
    note(made.byteLength, this.buffer, made.buffer);
    return made;
  };
  const sliceBuffer = ArrayBuffer.prototype.slice;
  ArrayBuffer.prototype.slice = function (...range) {
    const made = sliceBuffer.apply(this, range);
    note(made.byteLength, this, made);
    return made;
  };

  const { read } = ReadableStreamDefaultReader.prototype;
  ReadableStreamDefaultReader.prototype.read = async function () {
    const result = await read.call(this);
    if (result.value) cost.streamed += result.value.byteLength;
    return result;
  };
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...args) {
    const channel = create.apply(this, args);
    channel.addEventListener('message', ({ data }) => { cost[channel.id === 1 ? 'received' : 'control'] += data.byteLength; });
    return channel;
  };
  const { send } = RTCDataChannel.prototype;
  RTCDataChannel.prototype.send = function (data) {
    if (this.id === 1) cost.sent += data.byteLength;
    return send.call(this, data);
  };

  // The glue accepts what is an Instance; one whose exports are counted is made from the real one.
  const { instantiate } = WebAssembly;
  let inside = null;
  WebAssembly.instantiate = async (module, imports) => {
    const counted = {};
    for (const [space, names] of Object.entries(imports ?? {})) {
      counted[space] = {};
      for (const [name, value] of Object.entries(names)) counted[space][name] = typeof value === 'function' ? out(name.replace(/^__wbg_|_[0-9a-f]{16}$/g, ''), value) : value;
    }
    const instance = await instantiate.call(WebAssembly, module, counted);
    const exports = {};
    for (const [name, value] of Object.entries(instance.exports)) exports[name] = typeof value === 'function' ? into(name, value) : value;
    cost.memory = instance.exports.memory;
    return Object.create(WebAssembly.Instance.prototype, { exports: { value: exports } });
  };
  function out(name, call) {
    cost.outOf[name] = 0;
    return (...args) => {
      cost.outOf[name] += 1;
      if (inside) inside[name] = (inside[name] ?? 0) + 1;
      return call(...args);
    };
  }
  function into(name, call) {
    const seen = (cost.into[name] = { calls: 0, out: {}, atOnce: {} });
    return (...args) => {
      const before = inside;
      inside = {};
      seen.calls += 1;
      try { return call(...args); } finally {
        let all = 0;
        for (const [import_, times] of Object.entries(inside)) { seen.out[import_] = (seen.out[import_] ?? 0) + times; all += times; }
        seen.atOnce[all] = (seen.atOnce[all] ?? 0) + 1;
        inside = before;
      }
    };
  }
}

/** Tasks beyond 50 ms, as the browser reports them. */
export function watchesTasks() {
  window.__tasks = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) window.__tasks.push({ at: startTime, ms: duration });
  }).observe({ type: 'longtask', buffered: true });
}

/** The module's memory, and nothing else: light enough for a long run. */
export function watchesMemory() {
  window.__cost = { memory: null };
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...args) => {
    const made = await instantiate.apply(WebAssembly, args);
    window.__cost.memory = (made.instance ?? made).exports.memory;
    return made;
  };
}
