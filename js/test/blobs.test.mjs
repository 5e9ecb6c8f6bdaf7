import assert from 'node:assert/strict';
import test from 'node:test';
import { load } from './load.mjs';

const { Blobs } = await load('blobs');

const bytes = (from, length) => Uint8Array.from({ length }, (_, i) => (from + i) % 251);
const KIB = 1024;

/** Bytes that pass through `set` and `slice` of typed arrays while `run` runs. */
function copied(run) {
  const proto = Object.getPrototypeOf(Uint8Array.prototype);
  const { set, slice } = proto;
  let sum = 0;
  proto.set = function (source, at) { sum += source.length; return set.call(this, source, at); };
  proto.slice = function (...range) { const made = slice.apply(this, range); sum += made.length; return made; };
  try { run(); } finally { Object.assign(proto, { set, slice }); }
  return sum;
}

test('a body whose length nobody told is put into its blob once, and at most the last piece again', () => {
  const blobs = new Blobs();
  const chunk = bytes(0, 60 * KIB);
  const moved = copied(() => {
    blobs.open(1);
    for (let i = 0; i < 30; i += 1) assert.equal(blobs.append(1, chunk), i * chunk.length);
    assert.equal(blobs.seal(1), 30 * chunk.length);
  });
  assert.ok(moved <= 30 * chunk.length + 256 * KIB, `${moved} bytes were moved for a body of ${30 * chunk.length}`);
  const body = new Uint8Array(blobs.join(Uint32Array.of(1, 0, 30 * chunk.length)));
  for (let i = 0; i < 30; i += 1) assert.deepEqual(body.subarray(i * chunk.length, (i + 1) * chunk.length), chunk);
});

test('a body of known length has room at once, and delivering it is one copy', () => {
  const blobs = new Blobs();
  const chunk = bytes(7, 50 * KIB);
  const moved = copied(() => {
    blobs.open(1);
    blobs.reserve(1, 4 * chunk.length);
    for (let i = 0; i < 4; i += 1) blobs.append(1, chunk);
    blobs.seal(1);
    blobs.join(Uint32Array.of(1, 0, 4 * chunk.length));
  });
  assert.equal(moved, 8 * chunk.length);
});

test('a length that was too short or too long does no harm', () => {
  for (const told of [10, 1000]) {
    const blobs = new Blobs();
    blobs.open(1);
    blobs.reserve(1, told);
    blobs.append(1, bytes(0, 8));
    blobs.append(1, bytes(8, 100));
    assert.equal(blobs.seal(1), 108);
    assert.deepEqual(new Uint8Array(blobs.join(Uint32Array.of(1, 0, 108))), bytes(0, 108));
  }
});

test('bytes are read across pieces, and only if all are there', () => {
  const blobs = new Blobs();
  blobs.open(1);
  const whole = bytes(3, 600 * KIB);
  for (let at = 0; at < whole.length; at += 100 * KIB) blobs.append(1, whole.subarray(at, at + 100 * KIB));
  for (const [at, length] of [[0, 1], [255 * KIB, 2 * KIB], [1, 599 * KIB], [600 * KIB - 1, 1]]) {
    const room = new Uint8Array(length);
    assert.equal(blobs.read(1, at, length, room), true);
    assert.deepEqual(room, whole.subarray(at, at + length));
  }
  assert.equal(blobs.read(1, 600 * KIB - 1, 2, new Uint8Array(2)), false);
  assert.equal(blobs.read(2, 0, 1, new Uint8Array(1)), false);
});

test('a peer’s bytes land where they belong, and nowhere else', () => {
  const blobs = new Blobs();
  blobs.make(1, 10);
  blobs.put(1, 4, bytes(1, 4));
  blobs.put(1, 8, bytes(9, 3));
  assert.deepEqual([...new Uint8Array(blobs.join(Uint32Array.of(1, 0, 10)))], [0, 0, 0, 0, 1, 2, 3, 4, 0, 0]);
  assert.equal(blobs.join(Uint32Array.of(1, 0, 11)), undefined);
  blobs.free(1);
  assert.equal(blobs.append(1, bytes(0, 1)), -1);
});
