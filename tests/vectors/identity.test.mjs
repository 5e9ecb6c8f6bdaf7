// The names of integrity.md's "Identity", computed here with the platform's own URL and nothing of ours.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const vectors = JSON.parse(readFileSync(new URL('./identity/urls.json', import.meta.url), 'utf8'));

function nameOf(playlist, uri) {
  const base = new URL(playlist);
  const target = new URL(uri, base);
  if (!/^https?:$/.test(target.protocol)) throw new Error('scheme');
  if (target.origin !== base.origin) return '//' + target.pathname;
  const from = base.pathname.split('/').slice(0, -1);
  const to = target.pathname.split('/');
  let shared = 0;
  while (shared < from.length && shared < to.length - 1 && from[shared] === to[shared]) shared += 1;
  return [...from.slice(shared).map(() => '..'), ...to.slice(shared)].join('/');
}

function listUrlOf(playlist) {
  const url = new URL(playlist);
  url.search = '';
  url.hash = '';
  const path = url.pathname.split('/');
  const file = path.pop();
  path.push(file.replace(/(?<=.)\.[^.]*$/, '') + '.mfi.json');
  url.pathname = path.join('/');
  return url.href;
}

function resourceOf(name) {
  return createHash('sha256').update('meshedflow/res/v1\0').update(name).digest('hex').slice(0, 32);
}

function asName(path) {
  if (/^[A-Za-z0-9._~/-]{1,128}$/.test(path)) return path;
  const hash = Buffer.from(path).reduce((sum, byte) => ((sum ^ BigInt(byte)) * 0x1000193n) & 0xffffffffn, 0n);
  return `${path.replace(/[^A-Za-z0-9._/-]+/g, '~').slice(-99)}~${hash.toString(16)}`;
}

test('there are enough vectors to mean something', () => {
  assert.ok(vectors.names.length >= 20);
  assert.ok(new Set(vectors.names.map((v) => v.uri)).size >= 20);
});

for (const { story, playlist, uri, name, resource } of vectors.names) {
  test(`name: ${story}`, () => {
    assert.equal(nameOf(playlist, uri), name);
    assert.equal(resourceOf(name), resource);
  });
}

for (const { story, playlist, uri } of vectors.refused) {
  test(`refused: ${story}`, () => {
    assert.throws(() => nameOf(playlist, uri));
  });
}

for (const { story, multivariant, playlist, rendition } of vectors.renditions) {
  test(`rendition: ${story}`, () => {
    assert.equal(multivariant === null ? 'main' : asName(nameOf(multivariant, playlist)), rendition);
  });
}

test('renditions with different paths have different names', () => {
  assert.equal(new Set(vectors.renditions.map((v) => v.rendition)).size, vectors.renditions.length);
});

for (const { story, playlist, listUrl } of vectors.listUrls) {
  test(`list URL: ${story}`, () => {
    assert.equal(listUrlOf(playlist), listUrl);
  });
}
