// A peer that forges: a real SDK in a real page, whose lists name other bytes, signed with a key of its own, and whose
// media are those bytes. None of the project's code; frames and lists from their description alone.

import { createHash, generateKeyPairSync, sign } from 'node:crypto';

/** A key that no origin of the stream published. */
export class ForgersKey {
  #pair = generateKeyPairSync('ed25519');
  #raw = this.#pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  kid = createHash('sha256').update(this.#raw).digest().subarray(0, 8).toString('hex');

  /** A key set that names it for a stream. */
  keySet(stream) {
    const key = { kty: 'OKP', crv: 'Ed25519', x: this.#raw.toString('base64url'), state: 'active', nbf: 0, exp: 10_000_000_000, streams: [stream] };
    return Buffer.from(JSON.stringify({ version: 1, expires: 10_000_000_000, min_epoch: 0, keys: [key] }));
  }

  /** Hands a page what {@link forges} needs to sign. */
  async lend(page) {
    await page.exposeFunction('__sign', (hex) => sign(null, Buffer.from(hex, 'hex'), this.#pair.privateKey).toString('hex'));
  }
}

/** Handed to the page as text. `window.__fault`: `lists` forged, `media` messages of forged bytes. */
export function forges(kid) {
  const fault = { name: 'forges', lists: 0, media: 0, refused: 0 };
  window.__fault = fault;
  const [CONTROL, DATA, HELLO, DELTA, LANE, REQUEST, MEDIA] = [0, 1, 1, 3, 6, 7, 9];
  const RECORD = 44;
  const KID_AT = 'meshedflow/fraglist/v1\0'.length;
  const FILLING = 0x5a;
  const nativeSend = RTCDataChannel.prototype.send;
  const bytesOf = (data) => (data instanceof ArrayBuffer ? new Uint8Array(data.slice(0)) : new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)));
  const hexOf = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  const fromHex = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
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
      if (bytes[at] < 128) return [Number(value), at + 1];
    }
  };

  /** Where the members of a Delta with a batch stand. */
  const open = (message) => {
    let [, at] = readVarint(message, 1);
    const body = at;
    const next = () => { let value; [value, at] = readVarint(message, at); return value; };
    at += 1; // lane
    next(); // epoch
    const msn = next();
    const segment = hexOf(message.subarray(body, at));
    const count = next();
    const flags = message[at];
    at += 1;
    const hashAt = at;
    at += 8;
    next(); next(); next(); // first, held, queue
    next(); // view: how many
    at += 8;
    if (flags & 2) at += 16;
    if (!(flags & 4)) return null;
    const withHeader = message[at] & 1;
    at += 1;
    let header = null;
    if (withHeader) { const length = next(); header = message.slice(at, at + length); at += length; }
    const first = next();
    const n = next();
    return { segment, msn, count, closed: flags & 1, hashAt, header, first, recordsAt: at, n, headerAt: header ? at : null };
  };

  const nameAt = (message, at) => {
    const [length, from] = readVarint(message, at);
    return [new TextDecoder().decode(message.subarray(from, from + length)), from + length];
  };
  const hears = (message) => {
    let [, at] = readVarint(message, 1);
    if (message[0] === HELLO) {
      [, at] = readVarint(message, at + 2 + 16); // versions, id, uplink
      let [n, lane] = readVarint(message, at + 2); // sharing, class
      for (; n > 0; n -= 1) { const [name, next] = nameAt(message, lane + 1); lanes.set(message[lane], name); lane = next; }
    }
    if (message[0] === LANE && message[at] === 0) lanes.set(message[at + 1], nameAt(message, at + 2)[0]);
    if (message[0] !== REQUEST) return;
    let request;
    [request, at] = readVarint(message, at);
    const rendition = lanes.get(message[at]);
    [, at] = readVarint(message, at + 1); // epoch
    asked.set(request, `${rendition} ${readVarint(message, at)[0]}`);
  };
  /** The rendition that a list's header names: behind magic, kid, stream and epoch. */
  const renditionOf = (header) => {
    const view = new DataView(header.buffer, header.byteOffset);
    const at = KID_AT + 8 + 2 + view.getUint16(KID_AT + 8) + 8;
    return new TextDecoder().decode(header.subarray(at + 2, at + 2 + view.getUint16(at)));
  };

  const digests = new Map(); // length -> SHA-256 of so many bytes of the filling
  const digestOf = async (length) => {
    if (!digests.has(length)) digests.set(length, new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(length).fill(FILLING))));
    return digests.get(length);
  };

  const lists = new Map(); // segment -> {header, records}
  const forged = new Set(); // of which rendition and sequence number
  const asked = new Map(); // request -> the same
  const lanes = new Map(); // lane of the neighbour -> rendition

  // Of what the origin's own lists name true bytes are sent: who lies there is closed before it can show lists of its own.
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...args) {
    const channel = create.apply(this, args);
    channel.addEventListener('message', ({ data }) => hears(new Uint8Array(data)));
    return channel;
  };
  const forge = async (message) => {
    const at = open(message);
    if (!at) return message;
    const copy = message.slice();
    if (at.header) {
      const header = at.header.slice();
      header.set(fromHex(kid), KID_AT);
      lists.set(at.segment, { header, records: new Uint8Array(0) });
      forged.add(`${renditionOf(header)} ${at.msn}`);
    }
    const list = lists.get(at.segment);
    if (!list || list.records.length !== at.first * RECORD) return null;
    const records = copy.subarray(at.recordsAt, at.recordsAt + at.n * RECORD);
    for (let i = 0; i < at.n; i += 1) {
      const length = new DataView(records.buffer, records.byteOffset + i * RECORD).getUint32(4);
      records.set(await digestOf(length), i * RECORD + 12);
    }
    const all = new Uint8Array(list.records.length + records.length);
    all.set(list.records);
    all.set(records, list.records.length);
    list.records = all;
    const total = all.length / RECORD;
    const signed = Uint8Array.from([...list.header, at.closed, total >> 8, total & 255, ...all]);
    copy.set(fromHex(await window.__sign(hexOf(signed))), at.recordsAt + at.n * RECORD);
    copy.set(new Uint8Array(await crypto.subtle.digest('SHA-256', signed)).subarray(0, 8), at.hashAt);
    if (at.header) copy.set(fromHex(kid), at.recordsAt - varint(at.n).length - varint(at.first).length - at.header.length + KID_AT);
    fault.lists += 1;
    return copy;
  };

  // What is signed takes a moment, and the order of frames must stay.
  const order = new WeakMap();
  RTCDataChannel.prototype.send = function (given) {
    const message = bytesOf(given);
    if (this.id === CONTROL) {
      const before = order.get(this) ?? Promise.resolve();
      const turn = before.then(() => (message[0] === DELTA && window.__sign ? forge(message) : message));
      order.set(this, turn.then((out) => { if (out) nativeSend.call(this, out); }).catch(() => { fault.refused += 1; }));
      return undefined;
    }
    if (this.id !== DATA || message[0] !== MEDIA) return nativeSend.call(this, given);
    let [, at] = readVarint(message, 1);
    let request;
    [request, at] = readVarint(message, at);
    [, at] = readVarint(message, at); // offset
    if (!forged.has(asked.get(request))) return nativeSend.call(this, given);
    message.fill(FILLING, at + 1);
    fault.media += 1;
    return nativeSend.call(this, message);
  };
}
