// What crosses into the core: words, and the numbers of playlists in them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

globalThis.document ??= { addEventListener() {}, removeEventListener() {} };
const { Port } = await load('port');

/** A port, and the words that its core was told. */
function open() {
  const words = [];
  const core = { tell: (word) => words.push(JSON.parse(word)), wake() {}, stats: () => 'null', free() {} };
  return { port: new Port(() => core), words };
}

const lane = (n) => {
  const playlist = `https://ads.example/${n}/index.m3u8`;
  return { playlist, origin: 'https://ads.example', listUrl: playlist.replace('.m3u8', '.mfi.json'), kind: 'main' };
};

test('a playlist is told once, by a number of its own', () => {
  const { port, words } = open();
  assert.deepEqual([port.lane(lane(1)), port.lane(lane(2)), port.lane(lane(1))], [0, 1, 0]);
  assert.deepEqual(words.map((w) => [w.lane.no, w.lane.playlist]), [[0, lane(1).playlist], [1, lane(2).playlist]]);
  port.close();
});

test('of hundreds of playlists those in use keep their numbers, and one that comes back is told anew', () => {
  const { port, words } = open();
  const film = port.lane(lane('film'));
  const numbers = new Set([film]);
  for (let n = 0; n < 500; n++) {
    numbers.add(port.lane(lane(n)));
    assert.equal(port.lane(lane('film')), film, 'in use all the time');
  }
  assert.equal(numbers.size, 501, 'no number twice');
  const told = words.length;
  assert.ok(!numbers.has(port.lane(lane(3))), 'the core may have forgotten it by now');
  assert.equal(words.length, told + 1);
  assert.equal(port.lane(lane(499)), Math.max(...numbers));
  port.close();
});
