import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { context, load } from './load.mjs';

const { bare, describe: describeRequest, laneOf, listUrlOf, nameOf } = await load('url', 'identity', 'request');
const vectors = JSON.parse(readFileSync(new URL('../../tests/vectors/identity/urls.json', import.meta.url), 'utf8'));
const PLAYLIST = 'https://cdn.example/live/demo/v360/index.m3u8';

test('names equal the golden vectors', () => {
  assert.ok(vectors.names.length >= 20);
  for (const { story, playlist, uri, name } of vectors.names) {
    const from = bare(playlist);
    assert.equal(nameOf(from, bare(uri, playlist)), name, story);
    const described = describeRequest(context({}, { baseurl: playlist, relurl: uri }), undefined, {});
    assert.equal(described.request.name, name, `${story}, as a request`);
  }
});

test('what has no name stays plain', () => {
  for (const { story, playlist, uri } of vectors.refused) {
    assert.equal(bare(uri, playlist), undefined, story);
    assert.equal(describeRequest(context({ url: uri }, { baseurl: playlist, relurl: uri }), undefined, {}), undefined, story);
  }
  assert.equal(describeRequest(context({}, { baseurl: undefined }), undefined, {}), undefined, 'a fragment without playlist');
});

test('renditions equal the golden vectors', () => {
  for (const { story, multivariant, playlist, rendition } of vectors.renditions) {
    if (multivariant) assert.equal(laneOf(playlist, 'main', multivariant).rendition, rendition, story);
  }
});

test('list URLs equal the golden vectors', () => {
  for (const { story, playlist, listUrl } of vectors.listUrls) assert.equal(listUrlOf(new URL(playlist)), listUrl, story);
});

test('a lane drops query and fragment, and knows its rendition only from a directory or a multivariant playlist', () => {
  const lane = laneOf(`${PLAYLIST}?token=1#x`, 'main');
  assert.deepEqual(lane, { playlist: PLAYLIST, origin: 'https://cdn.example', listUrl: PLAYLIST.replace('.m3u8', '.mfi.json'), kind: 'main' });
  const rendition = (multivariant, base) => laneOf(PLAYLIST, 'main', multivariant, base).rendition;
  assert.equal(rendition('https://cdn.example/live/demo/master.m3u8?a=b'), 'v360/index.m3u8');
  assert.equal(rendition(undefined, 'https://cdn.example/live/demo/'), 'v360/index.m3u8');
  assert.equal(rendition(undefined, 'https://cdn.example/'), undefined, 'a bare origin');
  assert.equal(rendition(undefined, 'https://other.example/live/demo/'), undefined, 'another origin');
  assert.equal(rendition(undefined, 'https://cdn.example/live/de'), undefined, 'no directory');
});

test('a media playlist that is played on its own is named by originBaseUrl, or else by its list, whether or not it is attached', () => {
  const named = (multivariant, base, playlist = PLAYLIST) => {
    const { rendition, alone } = laneOf(playlist, 'main', multivariant, base);
    return [rendition, alone];
  };
  const MASTER = 'https://cdn.example/live/demo/master.m3u8';
  const BASE = 'https://cdn.example/live/demo/';
  for (const multivariant of [undefined, PLAYLIST, `${PLAYLIST}?token=2#x`]) {
    assert.deepEqual(named(multivariant), [undefined, undefined], 'the list says it');
    assert.deepEqual(named(multivariant, BASE), ['v360/index.m3u8', true], 'its name there, or main');
    assert.deepEqual(named(multivariant, `${BASE}v360/`), ['index.m3u8', true], 'the directory of the only playlist');
    assert.deepEqual(named(multivariant, 'https://cdn.example/'), [undefined, undefined], 'a bare origin');
  }
  for (const base of [undefined, BASE]) {
    assert.deepEqual(named(MASTER, base), ['v360/index.m3u8', undefined], 'one of several has one name');
  }
});

test('keys and lists come from the host that the playlist came from, whatever its URL says besides', () => {
  const home = 'https://cdn.example';
  const evil = 'https://evil.example';
  for (const [url, origin, listUrl] of [
    [`${home}/v/index.m3u8?keys=${evil}/.well-known/meshedflow/keys.json#${evil}`, home, `${home}/v/index.mfi.json`],
    [`${home}/v/index.m3u8?origin=${evil}&u=https://x@evil.example/`, home, `${home}/v/index.mfi.json`],
    [`${home}/${evil}/v/index.m3u8`, home, `${home}/https://evil.example/v/index.mfi.json`],
    [`${home}//evil.example/index.m3u8`, home, `${home}//evil.example/index.mfi.json`],
    [`${home}\\@evil.example/index.m3u8`, home, `${home}/@evil.example/index.mfi.json`],
    // What a hurried reader takes for the host stands before the @; the browser asks the one behind it.
    ['https://cdn.example@evil.example/index.m3u8', evil],
    ['https://cdn.example%2f@evil.example/index.m3u8', evil],
    ['https:\\\\evil.example\\cdn.example/index.m3u8', evil, `${evil}/cdn.example/index.mfi.json`],
    ['HTTPS://CDN.EXAMPLE:443/v/index.m3u8', home, `${home}/v/index.mfi.json`],
    ['https://cdn.example:8443/v/index.m3u8', 'https://cdn.example:8443'],
    ['https://cdn.example.evil.example/v/index.m3u8', 'https://cdn.example.evil.example'],
  ]) {
    const lane = laneOf(url, 'main');
    assert.equal(lane.origin, origin, url);
    assert.equal(new URL(lane.listUrl).origin, origin, `${url}: the list`);
    if (listUrl) assert.equal(lane.listUrl, listUrl);
    assert.doesNotMatch(lane.listUrl, /[?#]/);
  }
});

test('a segment request in the words of the core', () => {
  const init = { relurl: 'init.mp4', byteRange: [0, 755] };
  const { lane, request } = describeRequest(context({}, { initSegment: init }), undefined, { live: false });
  assert.equal(lane.playlist, PLAYLIST);
  assert.deepEqual(request, {
    url: 'https://cdn.example/live/demo/v360/seg_7.m4s', name: 'seg_7.m4s', kind: 'media', msn: 7, discontinuity: 2, durationMs: 4004,
    httpOnly: false, live: false, init: 'init.mp4@0-755',
  });
});

test('parts, byte ranges, init segments, bitrate tests, HLS.js 1.7', () => {
  const of = (more, frag) => describeRequest(context(more, frag), undefined, {}).request;
  const part = of({ part: { index: 3, relurl: 'seg_7.3.m4s', baseurl: PLAYLIST, duration: 1 } });
  assert.deepEqual([part.kind, part.part, part.name, part.msn], ['part', 3, 'seg_7.3.m4s', 7]);
  assert.deepEqual(of({ rangeStart: 100, rangeEnd: 200 }).range, [100, 200]);
  const init = of({}, { sn: 'initSegment', relurl: 'init.mp4' });
  assert.deepEqual([init.kind, init.msn, init.name, init.httpOnly, init.durationMs], ['init', 0, 'init.mp4', true, 0]);
  assert.equal(of({}, { bitrateTest: true }).httpOnly, true);
  assert.equal(of({}, { baseurl: undefined, base: { url: PLAYLIST } }).name, 'seg_7.m4s');
  // CMCD and steering rewrite the request's URL, never the playlist's.
  assert.equal(of({ url: 'https://elsewhere.example/x/seg_7.m4s?CMCD=bl' }).name, 'seg_7.m4s');
});
