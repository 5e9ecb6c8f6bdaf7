// Faults inside a page. Each function is handed to the page as text, before any script of the page runs, and so stands alone.
// `window.__fault` counts what it did.

/** No WebRTC in this browser. */
export function withoutWebRtc() {
  window.__fault = { name: 'no WebRTC' };
  for (const name of ['RTCPeerConnection', 'webkitRTCPeerConnection', 'RTCDataChannel']) delete window[name];
}

/** Flips one byte in every media message that this viewer sends. */
export function flipsBytes() {
  const fault = { name: 'flips bytes', flipped: 0 };
  window.__fault = fault;
  const LEAST_MEDIA = 2048; // control frames are smaller, or go unchanged on the other channel
  const send = RTCDataChannel.prototype.send;
  RTCDataChannel.prototype.send = function (data) {
    const length = data.byteLength ?? 0;
    if (this.id !== 1 || length < LEAST_MEDIA) return send.call(this, data);
    const copy = data instanceof ArrayBuffer ? new Uint8Array(data.slice(0)) : new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + length));
    copy[length - 5] ^= 0x40; // the payload is at the end of a Data frame
    fault.flipped += 1;
    return send.call(this, copy);
  };
}

/** Sends the first message of a fragment to each neighbour, swallows the rest of it, and closes the connection. */
export function closesMidway() {
  const fault = { name: 'closes midway', begun: 0, swallowed: 0, closed: 0 };
  window.__fault = fault;
  const FULL_MESSAGE = 15_000; // of 16 KiB: a fuller one follows, so the fragment is not at its end
  const owners = new WeakMap();
  const ending = new WeakSet();
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...args) {
    const channel = create.apply(this, args);
    owners.set(channel, this);
    return channel;
  };
  const send = RTCDataChannel.prototype.send;
  RTCDataChannel.prototype.send = function (data) {
    const connection = owners.get(this);
    if (ending.has(connection)) { fault.swallowed += 1; return undefined; }
    send.call(this, data);
    if (this.id !== 1 || (data.byteLength ?? 0) < FULL_MESSAGE) return undefined;
    ending.add(connection);
    fault.begun += 1;
    setTimeout(() => { connection.close(); fault.closed += 1; }, 60);
    return undefined;
  };
}

/** Counts tasks above 50 ms of this page's main thread, from its start on, in `window.__long`: a list of `{at, ms}`. */
export function countsLongTasks() {
  window.__long = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) window.__long.push({ at: startTime, ms: duration });
  }).observe({ type: 'longtask', buffered: true });
}

/** Notes in `window.__rtc` what this page hands to WebRTC. */
export function watchesRtc() {
  const seen = { connections: 0, servers: [], candidates: [], descriptions: [] };
  window.__rtc = seen;
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = new Proxy(Native, {
    construct(target, [config = {}], as) {
      seen.connections += 1;
      for (const server of config.iceServers ?? []) seen.servers.push(...[server.urls].flat());
      return Reflect.construct(target, [config], as);
    },
  });
  const { addIceCandidate, setRemoteDescription } = Native.prototype;
  Native.prototype.addIceCandidate = function (candidate, ...rest) {
    seen.candidates.push(candidate?.candidate ?? '');
    return addIceCandidate.call(this, candidate, ...rest);
  };
  Native.prototype.setRemoteDescription = function (description, ...rest) {
    seen.descriptions.push(description.sdp);
    return setRemoteDescription.call(this, description, ...rest);
  };
}

/** Switches one of our defences off; only a build with the feature `mutants` looks at it. */
export function mutant(name) {
  window.__meshedflowMutant = name;
}
