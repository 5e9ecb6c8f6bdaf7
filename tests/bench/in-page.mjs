// What the bench does inside a page. Each function is handed to the page as text, before any script of the page runs, and
// so stands alone.

/** Notes in `window.__bench` what any product does over WebRTC, without asking the product. */
export function watchesPeers() {
  const seen = { firstPeerByteAt: null, connections: 0, sources: [], payload: 0, peers: 0 };
  const open = new Set();
  let gone = { in: 0, out: 0 };
  window.__bench = seen;
  const LEAST_MEDIA = 4096; // control messages are smaller
  const listen = (channel) => {
    const heard = ({ data }) => {
      if ((data.byteLength ?? data.size ?? 0) < LEAST_MEDIA) return;
      seen.firstPeerByteAt ??= performance.now();
      channel.removeEventListener('message', heard);
    };
    channel.addEventListener('message', heard);
  };
  const Native = window.RTCPeerConnection;
  const carried = async (connection) => {
    const sum = { in: 0, out: 0 };
    for (const stat of (await connection.getStats()).values()) {
      if (stat.type !== 'data-channel') continue;
      sum.in += stat.bytesReceived;
      sum.out += stat.bytesSent;
    }
    return sum;
  };
  const add = (a, b) => ({ in: a.in + b.in, out: a.out + b.out });
  window.RTCPeerConnection = new Proxy(Native, {
    construct(target, args, as) {
      const connection = Reflect.construct(target, args, as);
      seen.connections += 1;
      open.add(connection);
      connection.addEventListener('datachannel', ({ channel }) => listen(channel));
      return connection;
    },
  });
  const { createDataChannel, close } = Native.prototype;
  Native.prototype.createDataChannel = function (...args) {
    const channel = createDataChannel.apply(this, args);
    listen(channel);
    return channel;
  };
  // A closed connection has no statistics any more.
  Native.prototype.close = function () {
    if (open.delete(this)) carried(this).then((sum) => { gone = add(gone, sum); }, () => {});
    return close.call(this);
  };
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...all) => {
    const made = await instantiate.apply(WebAssembly, all);
    // Not to be sent with the rest.
    Object.defineProperty(seen, 'memory', { value: (made.instance ?? made).exports.memory, enumerable: false });
    return made;
  };
  /** Bytes over data channels so far, heads and control included. */
  const total = async () => (await Promise.all([...open].map((one) => carried(one).catch(() => ({ in: 0, out: 0 }))))).reduce(add, gone);
  Object.defineProperty(seen, 'carried', { value: total });
}

/** Other settings for HLS.js than the page's own. */
export function plays(settings) {
  window.playerSettings = settings;
}

/** p2p-media-loader as its documentation puts it under HLS.js. */
export function playsP2pMediaLoader({ core, url }) {
  window.anotherPlayer = async (Hls, settings) => {
    const { HlsJsP2PEngine } = await import(url);
    const seen = window.__bench;
    const WithP2P = HlsJsP2PEngine.injectMixin(Hls);
    const hls = new WithP2P({
      ...settings,
      p2p: {
        core,
        onHlsJsCreated(made) {
          made.p2pEngine.addEventListener('onSegmentLoaded', ({ segmentUrl, bytesLength, downloadSource }) => {
            seen.sources.push({ url: segmentUrl, peers: downloadSource === 'p2p' ? bytesLength : 0, http: downloadSource === 'p2p' ? 0 : bytesLength });
          });
          made.p2pEngine.addEventListener('onChunkDownloaded', (bytes, source) => { if (source === 'p2p') seen.payload += bytes; });
          made.p2pEngine.addEventListener('onPeerConnect', () => { seen.peers += 1; });
          made.p2pEngine.addEventListener('onPeerClose', () => { seen.peers -= 1; });
        },
      },
    });
    return { Hls, hls, mesh: null };
  };
}

/** From `__dies.arm()` on: one message of a body leaves, then nothing does any more. */
export function diesMidway() {
  const dies = { armed: false, dead: false, arm: () => { dies.armed = true; } };
  window.__dies = dies;
  const LEAST_MEDIA = 15_000;
  const { send } = RTCDataChannel.prototype;
  RTCDataChannel.prototype.send = function (data) {
    if (dies.dead) return undefined;
    send.call(this, data);
    if (dies.armed && (data.byteLength ?? 0) >= LEAST_MEDIA) dies.dead = true;
    return undefined;
  };
}
