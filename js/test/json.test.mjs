import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { encode } = await load('json');

const WORDS = ['shutdown', { load: { url: 'https://a.example/é"\n', range: [0, 100], id: 7, live: true, part: undefined, none: null } }, { a: [], b: {}, c: [[1.5], [NaN]] }, -0];

test('the same text as JSON.stringify', () => {
  for (const word of WORDS) assert.equal(encode(word), JSON.stringify(word));
});

test('what a page hung on arrays and objects changes nothing', () => {
  const before = WORDS.map(encode);
  // As Prototype.js 1.6 did it.
  Array.prototype.toJSON = function () { return `[${this.join(', ')}]`; };
  Object.prototype.extra = function () {};
  try {
    assert.notEqual(JSON.stringify({ a: [1] }), '{"a":[1]}');
    assert.deepEqual(WORDS.map(encode), before);
  } finally {
    delete Array.prototype.toJSON;
    delete Object.prototype.extra;
  }
});
