// Signed lists read and verified by Node alone: an own reader of the byte format, and node:crypto for
// SHA-256 and Ed25519.
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const read = (name) => JSON.parse(readFileSync(new URL(`./lists/${name}`, import.meta.url), 'utf8'));
const bytesOf = (base64url) => Buffer.from(base64url, 'base64url');
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

/** Takes a list apart; throws where it is not one. */
function parseList(bytes) {
  let at = 0;
  const take = (n) => {
    if (at + n > bytes.length) throw new Error('truncated');
    at += n;
    return bytes.subarray(at - n, at);
  };
  const u16 = () => take(2).readUInt16BE();
  const u32 = () => take(4).readUInt32BE();
  const u64 = () => Number(take(8).readBigUInt64BE());
  const name = () => {
    const text = take(u16()).toString('latin1');
    if (!/^[A-Za-z0-9._~/-]{1,128}$/.test(text)) throw new Error('name');
    return text;
  };
  if (take(23).toString('latin1') !== 'meshedflow/fraglist/v1\0') throw new Error('magic');
  const header = {
    kid: take(8).toString('hex'),
    stream: name(),
    epoch: u64(),
    rendition: name(),
    kind: take(1)[0],
    msn: u64(),
    dsn: u32(),
    resource: take(16).toString('hex'),
    rangeBase: u64(),
    initDigest: take(32).toString('hex'),
    issuedAt: u32(),
  };
  const headerBytes = bytes.subarray(0, at);
  const closedByte = take(1)[0];
  const count = u16();
  if (![1, 2, 3].includes(header.kind) || closedByte > 1 || count < 1 || count > 1024) throw new Error('shape');
  if (header.kind === 3 && (count !== 1 || closedByte !== 1)) throw new Error('init');
  const records = [];
  let end = 0;
  for (let i = 0; i < count; i += 1) {
    const record = { offset: u32(), length: u32(), flags: u32(), sha256: take(32).toString('hex') };
    if (record.offset !== end || record.length < 1 || record.length > 2 ** 24) throw new Error('record');
    if (record.flags > 3) throw new Error('flags');
    end += record.length;
    records.push(record);
  }
  if (end > 2 ** 26) throw new Error('length');
  const signed = bytes.subarray(0, at);
  const signature = take(64);
  if (at !== bytes.length) throw new Error('trailing');
  return { header, headerBytes, closed: closedByte === 1, records, signed, signature };
}

const keyOf = (x) => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
const kidOf = (x) => sha256(bytesOf(x)).subarray(0, 8).toString('hex');
const isSignedBy = (x, { signed, signature }) => verify(null, signed, keyOf(x), signature);

for (const vector of read('good.json')) {
  test(`good: ${vector.story}`, () => {
    const list = parseList(bytesOf(vector.list));
    assert.deepEqual(list.header, vector.header);
    assert.deepEqual(list.records, vector.records);
    assert.equal(list.closed, vector.closed);
    assert.equal(list.header.kid, kidOf(vector.publicKey));
    assert.ok(isSignedBy(vector.publicKey, list));
    assert.equal(sha256(list.signed).subarray(0, 8).toString('hex'), vector.hash);
    if (vector.segment !== null) {
      const segment = bytesOf(vector.segment);
      for (const { offset, length, sha256: digest } of list.records) {
        assert.equal(sha256(segment.subarray(offset, offset + length)).toString('hex'), digest);
      }
      const last = list.records.at(-1);
      assert.equal(list.closed, last.offset + last.length === segment.length);
    }
  });
}

for (const vector of read('refused.json')) {
  test(`refused: ${vector.story}`, () => {
    let list;
    try {
      list = parseList(bytesOf(vector.list));
    } catch {
      return;
    }
    const ours = list.header.kid === kidOf(vector.publicKey);
    assert.ok(!ours || !isSignedBy(vector.publicKey, list), vector.error);
    assert.match(vector.error, /signature|names key/);
  });
}

test('what only its shape refuses is well signed', () => {
  const byShape = /^(record \d|list without records|init list|list kind|closed byte|list stream|list does not begin)/;
  const vectors = read('refused.json').filter((vector) => byShape.test(vector.error));
  assert.ok(vectors.length >= 10);
  for (const { story, list, publicKey } of vectors) {
    const bytes = bytesOf(list);
    const parts = { signed: bytes.subarray(0, -64), signature: bytes.subarray(-64) };
    assert.ok(isSignedBy(publicKey, parts), story);
  }
});

test('each batch of a growing segment completes a signed list', () => {
  const { publicKey } = read('good.json')[0];
  let header = Buffer.alloc(0);
  let records = Buffer.alloc(0);
  for (const batch of read('growth.json')) {
    if (batch.header !== null) header = bytesOf(batch.header);
    assert.equal(records.length, batch.first * 44);
    records = Buffer.concat([records, bytesOf(batch.records)]);
    const count = Buffer.from([batch.closed ? 1 : 0, batch.count >> 8, batch.count & 255]);
    const list = parseList(Buffer.concat([header, count, records, bytesOf(batch.signature)]));
    assert.equal(list.records.length, batch.count);
    assert.ok(isSignedBy(publicKey, list));
    assert.equal(sha256(list.signed).subarray(0, 8).toString('hex'), batch.hash);
  }
});

for (const name of ['rolling.mfi.json', 'rolling-future.mfi.json']) {
  test(`${name}: each list is signed, and of the segment beside it`, () => {
    const { publicKey } = read('good.json')[0];
    const rolling = read(name);
    assert.equal(rolling.v, 1);
    for (const entry of [...rolling.init, ...rolling.segments]) {
      const list = parseList(bytesOf(entry.list));
      assert.ok(isSignedBy(publicKey, list));
      const resource = sha256(`meshedflow/res/v1\0${entry.name}`).subarray(0, 16).toString('hex');
      assert.equal(list.header.resource, resource);
      assert.equal(list.header.stream, rolling.stream);
      assert.equal(list.header.rendition, rolling.rendition);
    }
    for (const { msn, state, list } of rolling.segments) {
      const { header, closed } = parseList(bytesOf(list));
      assert.equal(header.msn, msn);
      if (state === 'complete') assert.ok(closed);
      const inRange = ({ firstMsn, lastMsn }) => firstMsn <= msn && (lastMsn === null || msn <= lastMsn);
      const named = rolling.epochs.filter(inRange);
      assert.deepEqual(named.map((range) => range.epoch), [header.epoch]);
    }
  });
}
