// A second reader of the wire format, written from the table in crates/protocol/src/wire/mod.rs alone, so that
// the vectors do not merely repeat what one implementation does. Run with `node --test`.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

class Refused extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

function require(holds, kind) {
  if (!holds) throw new Refused(kind);
}

class Cursor {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(length) {
    require(length <= BigInt(this.bytes.length - this.at), 'truncated');
    const taken = this.bytes.subarray(this.at, this.at + Number(length));
    this.at += taken.length;
    return taken;
  }

  u8() {
    return this.take(1n)[0];
  }

  hex(length) {
    return Buffer.from(this.take(BigInt(length))).toString('hex');
  }

  varint(bits) {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = BigInt(this.u8());
      value |= (byte & 0x7fn) << shift;
      require(value < 1n << 64n, 'integer');
      if (byte < 0x80n) {
        require(value < 1n << bits, 'integer');
        return value;
      }
    }
    throw new Refused('integer');
  }

  u16() {
    return Number(this.varint(16n));
  }

  u32() {
    return Number(this.varint(32n));
  }

  // As the vectors write it: a number up to 2^53, a decimal string beyond.
  u64() {
    const value = this.varint(64n);
    return value <= 2n ** 53n ? Number(value) : value.toString();
  }

  count(limit) {
    const value = this.varint(64n);
    require(value <= BigInt(limit), 'tooMany');
    return Number(value);
  }

  list(limit, read) {
    return Array.from({ length: this.count(limit) }, () => read());
  }

  name() {
    const text = Buffer.from(this.take(BigInt(this.count(128)))).toString('latin1');
    require(/^[A-Za-z0-9._~/-]+$/.test(text), 'name');
    return text;
  }

  lane() {
    const lane = this.u8();
    require(lane < 8, 'value');
    return lane;
  }

  segment() {
    return { lane: this.lane(), epoch: this.u64(), msn: this.u64() };
  }

  view() {
    return { count: this.u16(), xor: this.hex(8) };
  }

  batch() {
    const header = this.u8() & 1 ? this.hex(this.count(1024)) : null;
    const first = this.u16();
    return { header, first, records: this.hex(this.count(1024) * 44), signature: this.hex(64) };
  }

  rest() {
    return this.hex(this.bytes.length - this.at);
  }
}

const bodies = {
  0x01(r) {
    const wire = [r.u8(), r.u8()];
    require(wire[0] <= wire[1], 'value');
    const head = { type: 'hello', wire, peer: r.hex(16), uplinkBytesPerS: r.u32() };
    return { ...head, sharing: r.u8(), class: r.u8(), lanes: r.list(8, () => [r.lane(), r.name()]) };
  },
  0x02(r) {
    const head = { type: 'map', lane: r.lane(), epoch: r.u64() };
    const elect = { class: r.u8(), first: r.u64(), last: r.u64() };
    const middle = { view: r.view(), queueMs: r.u32(), neighbours: r.list(16, () => r.hex(16)) };
    let before;
    const segments = r.list(256, () => {
      const step = r.varint(64n);
      require(before === undefined || step > 0n, 'value');
      before = (before ?? 0n) + step;
      require(before < 1n << 64n, 'integer');
      const msn = before <= 2n ** 53n ? Number(before) : before.toString();
      const count = r.u16();
      const closed = (r.u8() & 1) === 1;
      return { msn, count, closed, listHash: r.hex(8), held: r.hex(r.count(Math.ceil(count / 8))) };
    });
    return { ...head, elect, ...middle, segments };
  },
  0x03(r) {
    const [segment, count, flags] = [r.segment(), r.u16(), r.u8()];
    const rest = { listHash: r.hex(8), first: r.u16(), held: r.u16(), queueMs: r.u32(), view: r.view() };
    require(rest.first + rest.held <= count, 'value');
    const offerTo = flags & 2 ? r.hex(16) : null;
    const batch = flags & 4 ? r.batch() : null;
    return { type: 'delta', segment, count, closed: (flags & 1) === 1, ...rest, offerTo, batch };
  },
  0x04: (r) => ({ type: 'known', segment: r.segment(), ageMs: r.u32(), hops: r.u8() }),
  0x05(r) {
    const head = { type: 'fetching', segment: r.segment(), fetcher: r.hex(16), stage: r.u8() };
    const range = r.u8() & 1 ? [r.u32(), r.u32()] : null;
    require(range === null || range[0] < range[1], 'value');
    return { ...head, range, ageMs: r.u32(), hops: r.u8() };
  },
  0x06(r) {
    const operation = r.u8();
    if (operation > 1) return { type: 'unknown', code: 0x06 };
    if (operation === 1) return { type: 'lane', operation: 'drop', lane: r.lane(), fromMsn: r.u64() };
    return { type: 'lane', operation: 'add', lane: r.lane(), rendition: r.name(), fromMsn: r.u64() };
  },
  0x07(r) {
    const head = { type: 'request', request: r.u32(), segment: r.segment(), first: r.u16(), count: r.u16() };
    return { ...head, skip: r.u32(), deadlineMs: r.u32(), urgent: (r.u8() & 1) === 1 };
  },
  0x08: (r) => ({ type: 'queued', request: r.u32(), etaMs: r.u32() }),
  0x09(r) {
    const [request, offset, flags] = [r.u32(), r.u32(), r.u8()];
    const batch = flags & 1 ? r.batch() : null;
    if (flags & 2) r.take(BigInt(r.count(1024)));
    return { type: 'data', request, offset, batch, payload: r.rest() };
  },
  0x0a: (r) => ({ type: 'done', request: r.u32() }),
  0x0b: (r) => ({ type: 'reject', request: r.u32(), reason: r.u8(), queueMs: r.u32() }),
  0x0c: (r) => ({ type: 'cancel', request: r.u32() }),
  0x0d: (r) => ({ type: 'ping', nonce: r.u32() }),
  0x0e: (r) => ({ type: 'pong', nonce: r.u32(), holdMs: r.u32() }),
  0x0f(r) {
    require(r.bytes.length - r.at <= 1024, 'tooMany');
    return { type: 'receipt', bytes: r.rest() };
  },
  0x10: (r) => ({ type: 'goodbye', reason: r.u8() }),
  0x11: (r) => ({ type: 'dropped', segment: r.segment() }),
  0x12: (r) => ({ type: 'identity', peer: r.hex(16) }),
};

function frames(message) {
  const cursor = new Cursor(message);
  const read = [];
  while (cursor.at < message.length) {
    const code = cursor.u8();
    const body = new Cursor(cursor.take(cursor.varint(64n)));
    read.push(bodies[code]?.(body) ?? { type: 'unknown', code });
  }
  return read;
}

function expected(vector) {
  if ('frames' in vector) return vector.frames;
  if ('skip' in vector) return [{ type: 'unknown', code: vector.skip }];
  return [vector.frame];
}

const folder = new URL('wire/', import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith('.json'));

test('there are vectors', () => assert.ok(files.length >= 9));

for (const file of files) {
  const vectors = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  for (const vector of vectors) {
    test(`${file}: ${vector.name}`, () => {
      const message = Buffer.from(vector.hex, 'hex');
      if ('error' in vector) {
        assert.throws(() => frames(message), (error) => error.kind === vector.error);
      } else {
        assert.deepEqual(frames(message), expected(vector));
      }
    });
  }
}
