// Faults: whatever breaks, the viewer watches on as with plain HLS.js, and sees the origin's bytes and no others.
//
// Each case first shows that its fault really happened, then compares with plain HLS.js in the same job. Each names the
// mutant (a defence that a test build can switch off) under which it must turn red; one whose neighbour is there too seldom to
// be believed first names none.

import assert from 'node:assert/strict';
import { bytesEqualOrigin } from '../lib/checks.mjs';
import { WATCH_MS, coresRun, crowd, fault, fewListRequests, happened, noPeerBytes, unharmed } from '../lib/faults.mjs';
import { withoutWebRtc } from '../lib/in-page.mjs';
import { ForgersKey, forges } from '../lib/forger.mjs';
import { forgeRolling, listsOf, strangerSigner, streamOf, unsigned } from '../lib/lists.mjs';
import { brief, pause } from '../lib/viewers.mjs';

const LISTS = /\.mfi(\.json)?$/;

export const cases = [
  fault('wasm-404', 'wait-for-core', wasm404),
  fault('no-webrtc', 'assume-webrtc', noWebRtc),
  fault('no-list', 'wait-for-list,no-takeover', noList),
  fault('list-unsigned', 'trust-any-key', listUnsigned),
  fault('list-wrong-key', 'trust-any-key', listWrongKey),
  fault('list-wrong-stream', 'ignore-stream', listWrongStream),
  { name: 'advert-signs-stream', limitMs: 90_000, run: advertSigns },
];

async function wasm404(job) {
  job.proxy.refuse('wasm', /\.wasm$/);
  const viewers = await crowd(job, 2);
  await pause(WATCH_MS);
  happened(job, job.proxy.hit('wasm') > 0, 'nobody asked for the wasm module');
  await noPeerBytes(job);
  await unharmed(job);
  for (const viewer of viewers) {
    const ours = viewer.console.filter((line) => line.startsWith('warning: MeshedFlow'));
    assert.equal(ours.length, 1, `${viewer.name}: one console line of ours expected, seen ${JSON.stringify(ours)}`);
  }
  return `module refused ${job.proxy.hit('wasm')} times`;
}

async function noWebRtc(job) {
  const [first] = await crowd(job, 1);
  const without = await job.mesh('without-webrtc', {}, { faults: [withoutWebRtc] });
  await pause(WATCH_MS);
  const kind = await without.page.evaluate(() => typeof RTCPeerConnection);
  happened(job, kind === 'undefined' && (await without.fault()) !== null, `RTCPeerConnection is a ${kind}`);
  await noPeerBytes(job);
  await unharmed(job);
  // Whoever cannot be reached must not be proposed to others, and has no use for a core.
  assert.equal(without.sockets, 0, 'it went to the edge although no peer can reach it');
  assert.deepEqual(without.requests.filter((r) => r.url.endsWith('.wasm')), [], 'it fetched the module');
  const { sdk, warnings } = await without.report();
  assert.deepEqual([sdk.state, sdk.reason, warnings.map((w) => w.code)], ['off', 'no-webrtc', ['no-webrtc']]);
  assert.equal((await first.report()).sdk.state, 'on', 'the other viewer runs no core');
  return `${brief(await first.report()).split(',')[0]}`;
}

async function noList(job) {
  job.proxy.refuse('list', LISTS);
  await crowd(job, 2);
  await pause(WATCH_MS);
  happened(job, job.proxy.hit('list') > 0, 'nobody asked for a list');
  await coresRun(job);
  await noPeerBytes(job);
  await unharmed(job);
  fewListRequests(job);
  return `lists refused ${job.proxy.hit('list')} times`;
}

function listUnsigned(job) {
  return forgedLists(job, unsigned);
}

function listWrongKey(job) {
  return forgedLists(job, strangerSigner());
}

async function forgedLists(job, forge) {
  job.proxy.rewrite('list', LISTS, (body) => forgeRolling(body, forge));
  await crowd(job, 2);
  await pause(WATCH_MS);
  happened(job, job.proxy.hit('list') > 0, 'nobody read a forged list');
  await coresRun(job);
  await noPeerBytes(job);
  await unharmed(job);
  fewListRequests(job);
  return `${job.proxy.hit('list')} forged documents read`;
}

/** Well signed by the right key, but for another stream than the one the page is for. */
async function listWrongStream(job) {
  const streams = new Set();
  job.proxy.rewrite('list', LISTS, (body) => { listsOf(body).forEach((list) => streams.add(streamOf(list))); return body; });
  await crowd(job, 2, { stream: 'another' });
  await pause(WATCH_MS);
  happened(job, job.proxy.hit('list') > 0 && streams.size > 0 && !streams.has('another'), `lists read: ${job.proxy.hit('list')}, for streams ${[...streams]}`);
  await coresRun(job);
  await noPeerBytes(job);
  await unharmed(job);
  fewListRequests(job);
  return `${job.proxy.hit('list')} documents for stream ${[...streams]} read`;
}

/**
 * An interstitial on another host, whose key set names its own key for this stream; a peer that has that key shows lists
 * and sends media of its own. The advertiser's word counts for the advertisement.
 */
async function advertSigns(job) {
  const key = new ForgersKey();
  const host = await job.anotherHost();
  const keys = () => ({ body: key.keySet('demo'), type: 'application/json' });
  host.answer('keys', /^\/\.well-known\/meshedflow\/keys\.json$/, keys);
  host.answer('spot', /^\/live\/demo\/v360\/spot\.m3u8$/, () => spot(job));
  // In the playlists of the victim alone: those who come without this query see no advertisement.
  job.proxy.rewrite('advert', /\.m3u8$/, (body, url) => (url.search === '?advert' ? withAdvert(body, `${host.url}/live/demo/v360/spot.m3u8`) : null));
  await job.plain('plain');
  const forger = await job.mesh('forger', {}, { faults: [[forges, key.kid]] });
  await key.lend(forger.page);
  await forger.playing(20_000);
  await pause(WATCH_MS);
  // Who sends nothing is never elected to fetch: it takes its lists from neighbours.
  const victim = await job.mesh('victim', { upload: 0, src: '/live/demo/master.m3u8?advert' });
  await victim.until('to know the advertiser\'s keys', () => host.hit('keys', 'victim') > 0, 25_000);
  const before = (await forger.fault()).lists;
  await pause(2 * WATCH_MS);
  const told = await forger.fault();
  happened(job, told.lists > before, `${told.lists} lists forged, ${before} before the victim knew the key, ${told.refused} refused; ${brief(await forger.report())}; ${brief(await victim.report())}`);
  await coresRun(job);
  const { sdk } = await victim.report();
  assert.ok(sdk.mesh.connects > 0, 'the victim met nobody');
  const compared = await bytesEqualOrigin(job.witness, [victim]);
  // Who sends bytes of its own under the origin's lists is closed: that, too, may happen here.
  return `${told.lists} lists forged, ${told.media} messages of forged media; ${compared} payloads equal the origin's`;
}

/** A multivariant playlist hands the query on; a media playlist gets a pre-roll, for which HLS.js makes a player of its own. */
function withAdvert(body, url) {
  const playlist = body.toString('utf8');
  if (/#EXT-X-STREAM-INF/.test(playlist)) return Buffer.from(playlist.replace(/\.m3u8/g, '.m3u8?advert'));
  const [, date] = /#EXT-X-PROGRAM-DATE-TIME:(\S+)/.exec(playlist) ?? [];
  if (!date) return null;
  const tag = `#EXT-X-DATERANGE:ID="advert",CLASS="com.apple.hls.interstitial",START-DATE="${date}",CUE="PRE,ONCE",DURATION=2,X-ASSET-URI="${url}",X-RESUME-OFFSET=0`;
  return Buffer.from(playlist.replace(/#EXTINF/, `${tag}\n#EXTINF`));
}

/** Two seconds or so: a segment that the stream has now. */
async function spot(job) {
  const playlist = await (await fetch(new URL('/live/demo/v360/index.m3u8', job.demo.url))).text();
  const [segment] = playlist.match(/#EXTINF:[^\n]*\n[^\n]*seg_\d+\.m4s/g).slice(-1);
  const map = /#EXT-X-MAP:[^\n]*/.exec(playlist)[0];
  const body = Buffer.from(`#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n${map}\n${segment}\n#EXT-X-ENDLIST\n`);
  return { body, type: 'application/vnd.apple.mpegurl' };
}
