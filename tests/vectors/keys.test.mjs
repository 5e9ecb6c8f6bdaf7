// Key sets read by Node alone: kids recomputed, root signatures checked over the raw bytes, each use
// judged by the rules as written down.
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const vectors = JSON.parse(readFileSync(new URL('./keys/sets.json', import.meta.url), 'utf8'));

const keyOf = (x) => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
const kidOf = (x) => createHash('sha256').update(Buffer.from(x, 'base64url')).digest('hex').slice(0, 16);

/** The raw text of the `keyset` member, which comes first in a signed set and ends before `signature`. */
function rawSet(document) {
  return /^\{"keyset":(.*),"signature":"[\w-]+"\}$/s.exec(document)?.[1];
}

function isRootSigned(document, root) {
  const set = rawSet(document);
  if (set === undefined) return false;
  const signature = Buffer.from(JSON.parse(document).signature, 'base64url');
  return verify(null, Buffer.from(`meshedflow/keyset/v1\0${set}`), keyOf(root), signature);
}

const allows = (pattern, stream) =>
  pattern.endsWith('/*')
    ? stream.startsWith(pattern.slice(0, -1)) && stream.length >= pattern.length
    : pattern === stream;

function isUsable(set, { kid, stream, viaHttps, issuedAt, nowUnix }) {
  const key = set.keys.filter(({ kty }) => kty === 'OKP').find((k) => k.kid === kid);
  if (nowUnix > set.expires || key === undefined) return false;
  if (key.state !== 'active' && !(key.state === 'retired' && viaHttps)) return false;
  if (issuedAt < key.nbf || issuedAt > key.exp) return false;
  return key.streams.some((pattern) => allows(pattern, stream));
}

for (const vector of vectors.filter(({ error }) => error === null)) {
  test(`taken: ${vector.story}`, () => {
    const document = JSON.parse(vector.document);
    const set = document.keyset ?? document;
    if (vector.root !== null) assert.ok(isRootSigned(vector.document, vector.root));
    for (const key of set.keys.filter(({ kty }) => kty === 'OKP')) {
      assert.equal(key.kid, kidOf(key.x));
      assert.ok(!('d' in key));
    }
    assert.ok(set.version >= vector.minVersion);
    assert.ok(vector.uses.length > 0);
    for (const use of vector.uses) assert.equal(isUsable(set, use), use.refusal === null, JSON.stringify(use));
  });
}

for (const vector of vectors.filter(({ error }) => error !== null)) {
  test(`refused: ${vector.story}`, () => {
    const document = JSON.parse(vector.document);
    const set = document.keyset ?? document;
    const reasons = [
      vector.root !== null && !isRootSigned(vector.document, vector.root),
      set.version < vector.minVersion,
      set.keys.some((key) => 'd' in key),
      set.keys.some((key) => key.kid !== kidOf(key.x)),
      new Set(set.keys.map((key) => key.kid)).size < set.keys.length,
      set.keys.some((key) => key.streams.some((p) => /\*/.test(p.replace(/\/\*$/, '/')))),
      JSON.stringify(document) !== vector.document,
    ];
    assert.equal(reasons.filter(Boolean).length, 1, `${vector.error}: ${reasons}`);
  });
}
