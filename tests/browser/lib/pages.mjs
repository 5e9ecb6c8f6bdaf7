// Pages that make life hard. As in in-page.mjs, each function is handed to the page as text and stands alone; most count in
// `window.__fault` what they did.

/** More options for the SDK. */
export function wants(options) {
  window.meshOptions = options;
}

/** Until `__fault.hide()` nothing; then the page is hidden, and its timers ring once a second. */
export function actsHidden() {
  const fault = { name: 'hidden', held: 0, hidden: false };
  window.__fault = fault;
  Object.defineProperty(Document.prototype, 'hidden', { configurable: true, get: () => fault.hidden });
  Object.defineProperty(Document.prototype, 'visibilityState', { configurable: true, get: () => (fault.hidden ? 'hidden' : 'visible') });
  fault.hide = () => { fault.hidden = true; document.dispatchEvent(new Event('visibilitychange')); };
  // As browsers do it: what is due waits for the next whole second.
  const { setTimeout: later } = window;
  window.setTimeout = (run, ms = 0, ...args) => {
    if (!fault.hidden) return later(run, ms, ...args);
    fault.held += 1;
    const due = performance.now() + ms;
    return later(run, Math.ceil(due / 1000) * 1000 - performance.now(), ...args);
  };
}

/** The browser's wish to save data. */
export function savesData() {
  const connection = Object.getPrototypeOf(navigator.connection);
  Object.defineProperty(connection, 'saveData', { configurable: true, get: () => true });
}

/** Storage that is forbidden: every way to it throws. */
export function withoutStorage() {
  const forbidden = () => { throw new DOMException('Access is denied for this document.', 'SecurityError'); };
  for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches', 'cookieStore']) Object.defineProperty(window, name, { configurable: true, get: forbidden });
  Object.defineProperty(Document.prototype, 'cookie', { configurable: true, get: forbidden, set: forbidden });
}

export function withoutFinalization() {
  delete window.FinalizationRegistry;
  delete window.WeakRef;
}

/** A content blocker whose RTCPeerConnection throws. */
export function blocksWebRtc() {
  const fault = { name: 'blocks WebRTC', tried: 0 };
  window.__fault = fault;
  window.RTCPeerConnection = window.webkitRTCPeerConnection = function () {
    fault.tried += 1;
    throw new DOMException('blocked', 'NotAllowedError');
  };
}

/** A content blocker whose RTCPeerConnection can be made and does nothing. */
export function emptiesWebRtc() {
  const fault = { name: 'empties WebRTC', tried: 0 };
  window.__fault = fault;
  const nothing = () => {};
  const Stub = function () { fault.tried += 1; };
  Stub.prototype = { close: nothing, createDataChannel: nothing, createOffer: nothing, setLocalDescription: nothing, setRemoteDescription: nothing, addIceCandidate: nothing };
  window.RTCPeerConnection = window.webkitRTCPeerConnection = Stub;
}

/** A `fetch` as careless pages wrap it: it reads its first argument as a string, and dies of options with a signal. */
export function patchesFetch() {
  const fault = { name: 'patches fetch', refused: 0 };
  window.__fault = fault;
  const native = window.fetch;
  window.fetch = async (url, options) => {
    if (url.startsWith('/never/')) return new Response('');
    if (/\.m4s/.test(url) && options?.signal) { fault.refused += 1; throw new TypeError("Cannot read properties of undefined (reading 'retries')"); }
    return native(url, options);
  };
}

/** What libraries of old did to everybody's objects. */
export function patchesPrototypes() {
  Array.prototype.toJSON = function () { return `[${this.join(', ')}]`; };
  Array.prototype.contains = function (item) { return this.indexOf(item) >= 0; };
  Array.prototype.remove = function (item) { return this.filter((one) => one !== item); };
  Function.prototype.extend = function (more) { return Object.assign(this, more); };
  String.prototype.toJSON = function () { return `"${this}"`; };
  // As MooTools had it: what has no length is wrapped.
  Array.from = (item) => (item == null ? [] : typeof item.length === 'number' && typeof item !== 'string' ? Array.prototype.slice.call(item) : [item]);
  const { stringify } = JSON;
  JSON.stringify = (value, ...rest) => stringify(value, ...rest);
  const NativePromise = window.Promise;
  window.Promise = class Promise extends NativePromise {};
}

/** SHA-256 for pages without crypto.subtle: FIPS 180-4, nothing more. */
export function digests() {
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
  const K = primes.map((p) => fraction(Math.cbrt(p)));
  const rotate = (x, n) => (x >>> n) | (x << (32 - n));
  window.sha256 = async (bytes) => {
    const H = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
    const padded = new Uint8Array(((bytes.length + 72) >> 6) << 6);
    padded.set(bytes);
    padded[bytes.length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
    view.setUint32(padded.length - 4, bytes.length << 3);
    const w = new Int32Array(64);
    for (let at = 0; at < padded.length; at += 64) {
      for (let i = 0; i < 16; i += 1) w[i] = view.getInt32(at + 4 * i);
      for (let i = 16; i < 64; i += 1) {
        const [a, b] = [w[i - 15], w[i - 2]];
        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ (a >>> 3)) + (rotate(b, 17) ^ rotate(b, 19) ^ (b >>> 10));
      }
      let [a, b, c, d, e, f, g, h] = H;
      for (let i = 0; i < 64; i += 1) {
        const s = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
        const t = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        [h, g, f, e, d, c, b, a] = [g, f, e, (d + s) | 0, c, b, a, (s + t) | 0];
      }
      [a, b, c, d, e, f, g, h].forEach((x, i) => { H[i] = (H[i] + x) | 0; });
    }
    const out = new DataView(new ArrayBuffer(32));
    H.forEach((x, i) => out.setInt32(4 * i, x));
    return out.buffer;
  };
}

/** Sends six media messages, loses the next six without a word, and so on: neighbours get segments in part. */
export function sendsByHalves() {
  const fault = { name: 'sends by halves', seen: 0, swallowed: 0 };
  window.__fault = fault;
  const send = RTCDataChannel.prototype.send;
  RTCDataChannel.prototype.send = function (data) {
    if (this.id !== 1) return send.call(this, data);
    fault.seen += 1;
    if (fault.seen % 12 <= 6) return send.call(this, data);
    fault.swallowed += 1;
    return undefined;
  };
}
