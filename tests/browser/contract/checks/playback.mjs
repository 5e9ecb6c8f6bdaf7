// Whole players: what is loaded, in which order, and that it plays.
import assert from 'node:assert/strict';

import { ALL, LINES, NEWEST, SINCE_1_6, player } from '../check.mjs';
import { hashOf, mediaOf, sha } from '../expect.mjs';
import { bodyOf, moofs, media } from '../media.mjs';

/** Requests of HLS.js's own loader, by release and check: what ours must equal. */
const reference = new Map();

function later() {
  let tell;
  const told = new Promise((go) => (tell = go));
  return { told, tell };
}

async function sameRequests(t, name, log) {
  const lanes = lanesOf(log);
  const key = `${t.version} ${name}`;
  if (!reference.has(key)) reference.set(key, later());
  if (t.way === 'xhr') reference.get(key).tell(lanes);
  const plain = await Promise.race([reference.get(key).told, new Promise((_go, no) => setTimeout(no, 60_000, new Error("HLS.js's own loader was not run")))]);
  assert.deepEqual(lanes, plain, 'media requests at the origin');
}

/** What an origin sees of media, lane by lane, without what changes from run to run. */
function lanesOf(log) {
  const lanes = {};
  for (const { path, query, raw } of mediaOf(log)) {
    const headers = raw.map(stable).join('\n');
    (lanes[path.split('/').slice(0, -1).join('/')] ??= []).push(`${path}${stable(decodeURIComponent(query))}\n${headers}`);
  }
  // 1.7 asks for init and first segment at once: their order is the network's.
  for (const lane of Object.values(lanes)) lane.sort((a, b) => Number(/init/.test(b)) - Number(/init/.test(a)));
  return lanes;
}

/** CMCD without measured values. */
const stable = (text) => text.replace(/\b(bl|dl|mtp|rtp|su|bs|tb|br|nor|nrr|ltc|pr|sta|sn|ts|h|v|e|msd|sid)\b(=[^,&]*)?,?/g, (all) => (/^(v|sn|h|e)$/.test(all) ? all : ''));

/** `bodies`: name of what HLS.js loaded, and the hash it must have. */
function expectWell(seen, { bodies = {}, buffered = Object.keys(bodies).length } = {}) {
  // 1.7.0 tells of appends without progress on demuxed audio, and all of the last frames of a stream; both go on.
  assert.deepEqual(seen.errors.filter((text) => !/^(bufferAppendNoProgress|bufferStalledError)/.test(text)), [], 'errors');
  assert.ok(seen.ended !== false, `played to the end (buffered ${seen.buffered} s)`);
  assert.deepEqual(seen.badStats, [], 'statistics complete, finite, in order');
  if (buffered) assert.equal(new Set(seen.stats).size, buffered, `buffered: ${seen.stats}`);
  for (const [name, hash] of Object.entries(bodies)) assert.ok([].concat(hash).includes(seen.bodies[name]), `body of ${name} is the origin's`);
  assert.ok(Number.isFinite(seen.bandwidth) && seen.bandwidth > 0, `bandwidth estimate ${seen.bandwidth}`);
}

function expectWay(t, seen, least = 2) {
  if (!t.ours) return;
  const wanted = t.condition === 'mesh' ? 'mesh' : 'plain';
  const went = seen.ways.filter((way) => way === wanted).length;
  assert.ok(went >= least && went === seen.ways.length, `loads went ${seen.ways}`);
}

const VIDEO = Object.fromEntries([0, 1, 2].map((n) => [`main/${n}`, hashOf(`/m/v216/seg_${n}.m4s`)]));
const AUDIO = Object.fromEntries([0, 1, 2].map((n) => [`audio/${n}`, hashOf(`/m/a64/seg_${n}.m4s`)]));

/** Plays a stream by every way and compares requests and bodies with plain HLS.js's. */
function plays(name, { path = '/m/one.m3u8', bodies = VIDEO, buffered, config, setup, same = true, ways, attach = false, more, end, on = [NEWEST], broken, everything, extra = () => {}, conditions }) {
  return player(`plays: ${name}`, { on, broken, everything, ...(conditions && { conditions }), ...(ways && { way: ways }) }, async (t) => {
    const seen = await t.play({ path, config, setup, attach, more, end });
    const log = t.log();
    expectWell(seen, { bodies, buffered });
    expectWay(t, seen);
    if (same) await sameRequests(t, name, log);
    await extra(t, seen, log);
  });
}

export default [
  plays('two levels and audio, short form', { on: ALL, path: '/m/master.m3u8', bodies: { ...VIDEO, ...AUDIO }, broken: { 'nan-times': /statistics|estimate/, 'asks-twice': /requests/ } }),
  plays('an attached player', { on: LINES, path: '/m/master.m3u8', attach: true, bodies: { ...VIDEO, ...AUDIO }, broken: { 'fails-sometimes': /errors/ } }),
  plays('fragmentLoader', { ways: 'fragmentLoader', broken: { 'cache-buster': /requests/ } }),
  plays('the published snippet, verbatim', { on: ALL.filter((v) => !v.startsWith('1.7')), ways: 'snippet', path: '/m/master.m3u8', bodies: { ...VIDEO, ...AUDIO }, everything: true, broken: { 'stats-replaced': /statistics|estimate|requests|played|errors/ } }),
  plays('SharedLoader of the package', { on: SINCE_1_6, ways: 'shared', path: '/m/master.m3u8', bodies: { ...VIDEO, ...AUDIO }, everything: true, broken: { 'asks-twice': /requests/ } }),
  plays("a class of the page's own", { on: ['1.5.20', '1.6.19'], ways: 'own', everything: true, broken: { 'asks-twice': /requests/ } }),
  plays("a class of the page's own, with CMCD", { on: ['1.6.19'], ways: 'own', config: 'cmcdQuery', everything: true, broken: { 'query-stripped': /requests/ } }),
  plays('with the worker', { on: LINES, config: 'worker', bodies: {}, buffered: 3, broken: { 'asks-twice': /requests/ } }),
  plays('progressive: true', { on: LINES, config: 'progressive', bodies: {}, buffered: 3, same: true, broken: { 'cache-buster': /requests/ } }),
  plays('byte ranges', { on: LINES, path: '/m/range.m3u8', bodies: Object.fromEntries([0, 1, 2].map((n) => [`main/${n}`, hashOf(`/m/v216/seg_${n}.m4s`)])), broken: { 'range-ignored': /./, 'range-inclusive': /./ } }),
  plays('live byte ranges of a file that grows', { on: LINES, path: '/m/growing.m3u8', attach: true, bodies: VIDEO, broken: { 'range-ignored': /./ }, extra: (_t, _seen, log) => {
    const whole = mediaOf(log).filter((r) => !r.headers.range);
    assert.deepEqual(whole.map((r) => r.path), [], 'nobody asks for the whole file');
  } }),
  plays('AES-128, loader: ours', { on: LINES, path: '/m/enc.m3u8', ways: 'shared', everything: true, bodies: {}, buffered: 3, broken: { 'keys-as-media': /errors|played|nothing/ } }),
  plays('AES-128, fLoader: ours', { path: '/m/enc.m3u8', bodies: {}, buffered: 3, broken: { 'body-truncated': /./ } }),
  plays('subtitles', { on: LINES, path: '/m/subs.m3u8', bodies: VIDEO, buffered: 3, more: { enableWebVTT: true, subtitlePreference: { lang: 'en' }, renderTextTracksNatively: true }, broken: { 'subtitles-as-text': /subtitle|errors|requests/ }, extra: async (t, seen) => {
    const vtt = [...seen.loaded].filter((name) => name.startsWith('subtitle/')).sort();
    assert.deepEqual([...new Set(vtt)], ['subtitle/0', 'subtitle/1', 'subtitle/2'], 'subtitle segments');
    const cues = await t.page.evaluate(() => [...document.querySelector('video').textTracks].flatMap((track) => [...(track.cues || [])].map((cue) => cue.text)));
    void cues;
    for (const n of [0, 1, 2]) assert.equal(seen.bodies[`subtitle/${n}`], sha(await bodyOf(new URL(`http://x/m/cues_${n}.vtt`))), `subtitle body ${n}`);
  } }),
  plays('CMCD in the query', { on: LINES, config: 'cmcdQuery', broken: { 'query-stripped': /requests/ }, extra: (_t, _s, log) => assert.ok(mediaOf(log).every((r) => /CMCD/.test(r.query)), 'CMCD in every query') }),
  plays('CMCD in headers', { on: LINES, config: 'cmcdHeaders', broken: { 'headers-dropped': /requests|CMCD/ }, extra: (_t, _s, log) => assert.ok(mediaOf(log).every((r) => r.headers['cmcd-object']), 'CMCD-Object in every request') }),
  plays('CMCD in headers, loader: ours', { on: ['1.6.19'], ways: 'shared', config: 'cmcdHeaders', everything: true, broken: { 'headers-dropped': /requests|CMCD/ } }),
  plays('xhrSetup', { on: LINES, setup: 'xhrOpens', broken: { 'setup-ignored': /requests/ } }),
  plays('xhrSetup, loader: ours', { on: ['1.5.20', NEWEST], ways: 'shared', setup: 'xhrHeader', everything: true, broken: { 'setup-ignored': /requests/ } }),
  plays('fetchSetup', { on: ['1.6.19', NEWEST], setup: 'fetchAsync', bodies: {}, buffered: 3, broken: { 'setup-ignored': /requests/ } }),
  plays('the pathway changes', { on: LINES, path: '/m/steered.m3u8', same: false, broken: { 'first-zero': /statistics/ }, extra: (t) => assert.ok(mediaOf(t.log('b-')).filter((r) => r.path.includes('seg_')).length >= 2, 'segments of the second pathway') }),
  plays('the pathway changes, loader: ours', { on: LINES, ways: 'shared', everything: true, path: '/m/steered.m3u8', same: false, broken: { 'first-zero': /statistics/ }, extra: (t, _seen, log) => {
    assert.equal(log.filter((r) => r.path.endsWith('steering.json')).length, 1, 'steering manifests');
    assert.ok(mediaOf(t.log('b-')).filter((r) => r.path.includes('seg_')).length >= 2, 'segments of the second pathway');
  } }),
  plays('a bitrate test', { on: LINES, path: '/m/master.m3u8', config: 'bitrateTest', bodies: AUDIO, buffered: 0, same: false, broken: { 'nan-times': /statistics|estimate/ }, extra: (_t, seen) => assert.equal(seen.tests, 1, 'fragments loaded as a test') }),
  // HLS.js 1.5 alone does not come to the end of this one.
  plays('LL-HLS parts', { on: ['1.6.19', NEWEST], path: '/m/parts.m3u8', end: 24, bodies: partBodies(), buffered: 0, same: true, config: 'lowLatency', more: { lowLatencyMode: true, liveSyncDuration: 3, startPosition: 17 }, broken: { 'parts-as-whole': /./ }, extra: (_t, seen) => assert.ok(seen.loaded.filter((name) => name.includes('.')).length >= 8, `parts: ${seen.loaded}`) }),
];

function partBodies() {
  const bytes = media('v216/seg_5.m4s');
  const cuts = moofs(bytes);
  return Object.fromEntries(cuts.slice(0, -1).map((from, i) => [`main/5.${i}`, sha(bytes.subarray(from, cuts[i + 1]))]));
}
