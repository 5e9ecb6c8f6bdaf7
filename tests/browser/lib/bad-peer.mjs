// Peers that do wrong: a real SDK in a real page, whose data channels say something else than it meant.
//
// `badPeer` is handed to the page as text, before any script of the page runs, and so stands alone. It does not use the
// project's code: frames are read and made here from the format's description (crates/protocol/src/wire/mod.rs).

/** `kind` is one of the names below. `window.__fault` counts: `done` is how often it did its mischief. */
export function badPeer(kind) {
  const fault = { name: kind, done: 0, bytes: 0, refused: 0 };
  window.__fault = fault;
  const [CONTROL, DATA] = [0, 1];
  const TICK_MS = 100;
  const PLAYS_MS = 3000;
  const nativeSend = RTCDataChannel.prototype.send;
  const channels = new Map(); // control channel -> its data channel
  const greeted = new Set();

  // ---- the wire

  const bytesOf = (data) => (data instanceof ArrayBuffer ? new Uint8Array(data.slice(0)) : new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)));
  const varint = (value) => {
    const out = [];
    let left = BigInt(value);
    for (; left >= 128n; left >>= 7n) out.push(Number(left & 127n) | 128);
    return [...out, Number(left)];
  };
  const readVarint = (bytes, at) => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n, at += 1) {
      value |= BigInt(bytes[at] & 127) << shift;
      if (bytes[at] < 128) return [value, at + 1];
    }
  };
  const frame = (type, ...parts) => {
    const body = parts.flatMap((part) => Array.from(part));
    return Uint8Array.from([type, ...varint(body.length), ...body]);
  };
  const random = (length) => {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    return bytes;
  };
  const join = (...parts) => { const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0)); let at = 0; for (const p of parts) { out.set(p, at); at += p.length; } return out; };

  /** A Data message in its parts. */
  const openData = (message) => {
    const [, body] = readVarint(message, 1);
    const [request, a] = readVarint(message, body);
    const [offset, b] = readVarint(message, a);
    return { request, offset, media: message.subarray(b + 1) };
  };
  const data = (request, offset, media) => join(Uint8Array.from([9, ...varint(media.length + varint(request).length + varint(offset).length + 1), ...varint(request), ...varint(offset), 0]), media);
  /** Lane, epoch and sequence of a Delta, Known, Fetching or Dropped that this viewer sends. */
  const subject = (message) => {
    if (![3, 4, 5, 17].includes(message[0])) return null;
    const [, body] = readVarint(message, 1);
    const [epoch, at] = readVarint(message, body + 1);
    const [msn] = readVarint(message, at);
    return { lane: message[body], epoch, msn };
  };
  const segment = ({ lane, epoch, msn }) => [lane, ...varint(epoch), ...varint(msn)];
  const NO_VIEW = [0, ...new Array(8).fill(0)];
  const MAX = (1n << 64n) - 1n;
  /** A Delta that says: closed, eight fragments, all of them here; no list, or this batch. */
  const boast = (about, batch = null) => frame(3, segment(about), [8, batch ? 5 : 1], random(8), [0, 8, 0], NO_VIEW, batch ?? []);
  /** Records and a signature of nobody: about `size` bytes. */
  const forgedBatch = (size) => { const n = Math.min(1000, Math.floor(size / 44)); return [0, 0, ...varint(n), ...random(n * 44), ...random(64)]; };

  let about = null; // the newest segment that this viewer spoke of
  let list = null; // its newest Delta with a list in it

  // ---- sending

  const lie = (channel, message) => {
    try {
      nativeSend.call(channel, message);
      fault.done += 1;
      fault.bytes += message.length;
    } catch { fault.refused += 1; }
  };

  RTCDataChannel.prototype.send = function (given) {
    const message = bytesOf(given);
    if (this.id === CONTROL) {
      if (message[0] === 1) greeted.add(this);
      about = subject(message) ?? about;
      if (message[0] === 3 && message.length > 150) list = message;
      const instead = said[kind]?.(this, message);
      return instead === undefined ? nativeSend.call(this, given) : instead;
    }
    const media = message[0] === 9 ? openData(message) : null;
    const instead = media ? sends[kind]?.(this, media, message) : kind in silences ? null : undefined;
    return instead === undefined ? nativeSend.call(this, given) : undefined;
  };

  // ---- what becomes of media; `undefined` lets it go as it is

  const sent = new WeakMap(); // channel -> request -> messages so far
  const nth = (channel, { request }) => {
    if (!sent.has(channel)) sent.set(channel, new Map());
    const counts = sent.get(channel);
    counts.set(request, (counts.get(request) ?? 0) + 1);
    return counts.get(request);
  };
  let other = null;
  const slow = [];
  const sends = {
    truncates: (channel, { request, offset, media }) => { lie(channel, data(request, offset, media.subarray(0, media.length - Math.min(100, media.length - 1)))); return null; },
    appends: (channel, { request, offset, media }) => { lie(channel, data(request, offset, join(media, random(64)))); return null; },
    substitutes: (channel, { request, offset, media }) => {
      const [theirs, mine] = [other, media.slice()];
      other = mine;
      if (!theirs) return undefined;
      const swapped = mine.slice();
      swapped.set(theirs.subarray(0, Math.min(theirs.length, mine.length)));
      lie(channel, data(request, offset, swapped));
      return null;
    },
    stalls: (channel, media) => { if (nth(channel, media) <= 2) return undefined; fault.done += 1; return null; },
    trickles: (channel, { request, offset, media }) => {
      for (let at = 0; at < media.length; at += 50) slow.push(() => lie(channel, data(request, offset + BigInt(at), media.subarray(at, at + 50))));
      return null;
    },
    boasts: () => { fault.done += 1; return null; },
    rejects: () => null,
  };
  /** These end no request on the data channel, either. */
  const silences = { stalls: 1, trickles: 1, boasts: 1, rejects: 1 };

  // ---- what becomes of control frames

  const said = {
    boasts: (channel, message) => {
      if ([8, 11].includes(message[0])) return null; // neither Queued nor Reject
      if (about && [3, 4, 5].includes(message[0])) lie(channel, boast(about));
      return message[0] === 3 ? null : undefined;
    },
    // A true list under a signature that is none; whoever knows the list already does not look at it again.
    forged: (channel, message) => {
      if (message !== list) return undefined;
      const copy = message.slice();
      copy[copy.length - 3] ^= 1;
      lie(channel, copy);
      return null;
    },
    rejects: (channel, message) => ([8].includes(message[0]) ? null : undefined),
  };

  /** To each request the answer is no. */
  const hears = (channel, message) => {
    if (kind !== 'rejects' || message[0] !== 7) return;
    const [, body] = readVarint(message, 1);
    const [request] = readVarint(message, body);
    lie(channel, frame(11, varint(request), [fault.done % 2], [0]));
  };

  // ---- what is said without being meant at all, every TICK_MS, to each neighbour that was greeted

  const babble = {
    garbage: (control, media) => { lie(control, random(1000)); lie(media, random(1000)); },
    varints: (control) => lie(control, Uint8Array.from([3, 12, 0, ...new Array(11).fill(255)])),
    hugeframe: (control) => lie(control, Uint8Array.from([2, ...varint(MAX), 1, 2, 3])),
    // The future may speak so: no reason to close.
    unknown: (control) => lie(control, frame(0x60 + (fault.done % 64), random(200))),
    lists: (control) => { for (let i = 0; list && i < 50; i += 1) lie(control, list); },
    // 1 MB/s in frames that a verifier would have to look at.
    deltas: (control) => { for (let i = 0; about && i < 6; i += 1) lie(control, boast({ ...about, msn: about.msn + BigInt(i) }, forgedBatch(18_000))); },
    sequences: (control) => {
      if (!about) return;
      const { lane, epoch, msn } = about;
      const steps = [MAX - 300n, ...new Array(200).fill(1n)];
      lie(control, frame(2, [lane], varint(epoch), [2], varint(MAX), varint(MAX), NO_VIEW, [0, 0], varint(steps.length), ...steps.map((step) => [...varint(step), 8, 1, ...new Array(8).fill(1), 1, 255])));
      lie(control, boast({ lane, epoch, msn: msn + 1n + BigInt(fault.done % 40) }));
      lie(control, frame(4, segment({ lane, epoch, msn: msn + 1n }), [0, 0]));
      lie(control, frame(5, segment({ lane, epoch, msn: MAX }), random(16), [255, 0, 0, 0]));
      lie(control, frame(7, varint(fault.done), segment({ lane, epoch, msn: MAX - BigInt(fault.done) }), varint(65_535), varint(65_535), varint(4_294_967_295), [0, 1]));
    },
    frames: (control) => { for (let i = 0; i < 500; i += 1) lie(control, frame(13, varint(i))); },
    // The longest that a browser sends.
    endless: (control) => lie(control, random(262_144)),
    text: (control) => lie(control, 'not a frame'),
    strays: (control, media) => { for (let i = 0; i < 400; i += 1) lie(media, data(4_000_000_000 - i, 0, random(1 + (i % 2) * 1000))); },
    channels: (control) => {
      const more = control.owner.createDataChannel('another', {});
      more.onopen = () => lie(more, random(5000));
      fault.done += 1;
    },
  };

  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...args) {
    const channel = create.apply(this, args);
    channel.owner = this;
    if (args[1]?.id === CONTROL) {
      channels.set(channel, null);
      channel.addEventListener('message', (event) => hears(channel, new Uint8Array(event.data)));
    }
    if (args[1]?.id === DATA) for (const [control, media] of channels) if (!media && control.owner === this) channels.set(control, channel);
    return channel;
  };
  // Many of these fit on one machine if they do not play. Who is to send media plays on: others do not ask it for long.
  if (kind in babble) addEventListener('playing', () => setTimeout(() => document.querySelector('video')?.pause(), PLAYS_MS), { capture: true, once: true });
  setInterval(() => {
    if (kind === 'trickles') for (let i = 0; i < 2; i += 1) slow.shift()?.();
    for (const [control, media] of channels) {
      if (control.readyState === 'closed') channels.delete(control);
      else if (control.readyState === 'open' && greeted.has(control)) babble[kind]?.(control, media);
    }
  }, TICK_MS);
}
