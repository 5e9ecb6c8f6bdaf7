// Faults of the edge: absent, gone, refusing, silent, hanging up, lying. Peers only ever save; whoever names them can
// neither stop playback nor lead the page astray.

import assert from 'node:assert/strict';
import { countsHandles, nothingOpen } from '../lib/handles.mjs';
import { FOREIGN, INWARD, SMUGGLED, deafEdge, failingEdge, hangingUpEdge, lyingEdge, refusingEdge, restlessEdge, silentEdge } from '../lib/edges.mjs';
import { WATCH_MS, calm, coresRun, crowd, fault, happened, morePeerBytes, noPeerBytes, unharmed } from '../lib/faults.mjs';
import { countsLongTasks, watchesRtc } from '../lib/in-page.mjs';
import { pause } from '../lib/viewers.mjs';

export const cases = [
  fault('no-edge', 'wait-for-peers,no-takeover', noEdge),
  fault('edge-killed-and-back', 'give-up-edge', edgeKilledAndBack),
  { ...fault('edge-wastes-time', 'no-edge-backoff', wastesTime), alone: true }, // eight viewers
  fault('edge-lies', 'trust-edge', lies),
  fault('edge-shouts', 'no-budgets', shouts),
];

async function noEdge(job) {
  job.proxy.killEdge();
  await crowd(job, 2);
  await pause(WATCH_MS);
  happened(job, job.proxy.refusedSockets > 0, 'nobody tried to reach the edge');
  await coresRun(job);
  await noPeerBytes(job);
  await unharmed(job);
  return `${job.proxy.refusedSockets} sockets refused`;
}

/** Peers outlive the edge; once it is back, who joins then finds those who were there before. */
async function edgeKilledAndBack(job) {
  const [first, second] = await crowd(job, 2);
  const before = await morePeerBytes([first, second], 0, 10_000);
  job.proxy.killEdge();
  await pause(300); // until the cut sockets have told that they are closed
  happened(job, job.proxy.cutSockets >= 2 && job.proxy.openSockets === 0, `${job.proxy.cutSockets} sockets were cut, ${job.proxy.openSockets} are open`);
  await morePeerBytes([first, second], before, 6000);
  job.proxy.restoreEdge();
  const third = await job.mesh('viewer-3');
  await third.until('a neighbour', (r) => r.peers > 0, 8000);
  await morePeerBytes([third], 0, 10_000);
  await unharmed(job);
  return `${job.proxy.cutSockets} sockets cut; the third viewer got ${(await third.report()).fromPeers} B from peers`;
}

const KINDS_OF_LIES = ['servers', 'garbage', 'proposals', 'offers', 'inward', 'smuggled', 'weights', 'policy', 'second welcome', 'salt'];

/** Every way not to be an edge at once, each with a viewer of its own. All of them are visited less and less. */
async function wastesTime(job) {
  const faults = [countsHandles, countsLongTasks];
  const edges = {
    fails: failingEdge(502), deaf: deafEdge(), silent: silentEdge(), refuses: refusingEdge(),
    'hangs-up': hangingUpEdge({ welcomes: false }), welcomes: hangingUpEdge({ welcomes: true }), restless: restlessEdge(),
  };
  await job.plain('plain', {}, { faults });
  for (const [name, edge] of Object.entries(edges)) {
    job.proxy.edge(`/${name}`, edge);
    await job.mesh(name, { edge: `/${name}` }, { faults });
    await pause(200);
  }
  await pause(16_000);
  for (const [name, { count }] of Object.entries(edges)) happened(job, count.done > 0, `${name}: ${JSON.stringify(count)}`);
  await coresRun(job);
  await noPeerBytes(job);
  // The waits are 2, 4, 8 s, each half to one and a half as long.
  for (const [name, { count }] of Object.entries(edges)) assert.ok(count.sockets <= 5, `${name}: visited ${count.sockets} times within 16 s`);
  await calm(job);
  await unharmed(job);
  await nothingOpen(job.viewers.all);
  return Object.entries(edges).map(([name, { count }]) => `${name} ${count.sockets}`).join(', ');
}

/** The true edge's words reach the pages among lies: they find each other, and nothing that was made up is acted upon. */
async function lies(job) {
  const edge = lyingEdge(job.demo.url);
  job.proxy.edge('/lies', edge);
  const whispers = edge.whisper(60);
  try {
    const viewers = await liedTo(job, { edge: '/lies' });
    const untold = () => KINDS_OF_LIES.filter((kind) => !edge.count[kind]);
    for (let i = 0; i < 150 && untold().length; i += 1) await pause(100);
    happened(job, untold().length === 0, `no ${untold()} among ${JSON.stringify(edge.count)}`);
    await pause(3000);
    for (const viewer of viewers) await believedNothing(viewer);
    const before = await morePeerBytes(viewers, 0, 8000);
    assert.ok(edge.count.twins > 0, 'the fault did not happen: no true candidate had a twin that leads inward');
    await pause(4000);
    await morePeerBytes(viewers, before, 6000);
    for (const viewer of viewers) await believedNothing(viewer);
    for (const viewer of viewers) frugal(viewer);
    assert.equal((await viewers[1].report()).sdk.mesh.uploadedBytes, 0, 'a push of the edge loosened what the page allows');
    await calm(job);
    await unharmed(job);
    await nothingOpen(job.viewers.all);
    return `${edge.count.done} lies told in ${edge.count.sockets} sockets`;
  } finally {
    clearInterval(whispers);
  }
}

/** Thousands of messages at once, then one beyond any bound: the socket is closed for a while, the mesh goes on. */
async function shouts(job) {
  const edge = lyingEdge(job.demo.url);
  job.proxy.edge('/shouts', edge);
  const viewers = await liedTo(job, { edge: '/shouts' });
  const before = await morePeerBytes(viewers, 0, 12_000);
  edge.shout();
  await pause(9000);
  happened(job, edge.count.flood >= 2000 && edge.count.endless >= 2, JSON.stringify(edge.count));
  await morePeerBytes(viewers, before, 6000);
  for (const viewer of viewers) {
    const { warnings } = await viewer.report();
    assert.ok(warnings.some(({ code }) => code === 'edge-flood'), `${viewer.name} let the edge shout: ${JSON.stringify(warnings)}`);
    const { connections } = await viewer.page.evaluate(() => window.__rtc);
    assert.ok(connections <= 40, `${viewer.name} made ${connections} connections for peers that do not exist`);
  }
  await calm(job);
  await unharmed(job);
  await nothingOpen(job.viewers.all);
  return `${edge.count.flood} messages shouted, ${edge.count.sockets} sockets`;
}

async function liedTo(job, query) {
  const faults = [countsHandles, countsLongTasks, watchesRtc];
  await job.plain('plain', {}, { faults: [countsHandles, countsLongTasks] });
  const first = await job.mesh('first', query, { faults });
  await pause(2500);
  const second = await job.mesh('second', { ...query, upload: 0 }, { faults });
  return [first, second];
}

/** Nothing reached WebRTC that leads inward, below the ports of peers, to hosts that the page did not name. */
async function believedNothing(viewer) {
  const { servers, candidates, descriptions, connections } = await viewer.page.evaluate(() => window.__rtc);
  assert.ok(connections > 0, `${viewer.name}: nothing was handed to WebRTC`);
  assert.deepEqual(servers.filter((url) => !/^(stun|turn):127\.0\.0\.1(:\d+)?$/.test(url)), [], `${viewer.name}: ICE servers that the page did not allow`);
  for (const line of candidates.filter(Boolean)) {
    const [, , transport, , address, port] = line.split(' ');
    assert.ok(!INWARD.includes(address) && address !== FOREIGN && address !== 'localhost', `${viewer.name}: tried ${line}`);
    assert.ok(transport.toLowerCase() === 'udp' && Number(port) >= 1024, `${viewer.name}: tried ${line}`);
  }
  assert.ok(![...candidates, ...descriptions].some((text) => text.includes(SMUGGLED)), `${viewer.name}: a line was smuggled in`);
  assert.ok(connections <= 40, `${viewer.name} made ${connections} connections`);
}

/** The edge may have the policy read again, but not all the time. */
function frugal(viewer) {
  const asked = viewer.requests.filter(({ url }) => new URL(url).pathname === '/policy.json').length;
  assert.ok(asked <= 4, `${viewer.name} asked for its policy ${asked} times`);
}
