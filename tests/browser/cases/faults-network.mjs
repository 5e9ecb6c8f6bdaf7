// Faults of the network under the page: gone for a while, another address, asleep, no UDP.

import assert from 'node:assert/strict';
import { coresRun, fault, happened, morePeerBytes, noPeerBytes } from '../lib/faults.mjs';
import { countsHandles, nothingOpen } from '../lib/handles.mjs';
import { LINK, inNamespace, ip, nft, routeBack } from '../lib/namespace.mjs';
import { asPlain, pair } from '../lib/origin.mjs';
import { resume, rendererOf, stop } from '../lib/processes.mjs';
import { brief, pause } from '../lib/viewers.mjs';

export const cases = [
  fault('offline-and-back', 'leave-open', offline),
  fault('wifi-change', 'patient-roster', wifiChange),
  fault('laptop-sleep', 'leave-open', sleep),
  fault('udp-blocked', 'wait-for-peers,no-takeover', udpBlocked),
];

const COUNTED = { faults: [countsHandles] };

/** Two of three browsers lose their network for some seconds, with it the socket to the edge and the way to peers. */
async function offline(job) {
  const [first, second] = await pair(job, {}, COUNTED);
  await morePeerBytes([first, second], 0, 12_000);
  const gone = [job.viewers.named('plain'), first];
  const asked = first.requests.length;
  for (const viewer of gone) await viewer.page.context().setOffline(true);
  job.proxy.killEdge(); // a browser's emulation leaves open sockets alone
  if (inNamespace()) ip('link', 'set', LINK, 'down');
  await pause(6000);
  const failed = first.requests.slice(asked).filter((r) => r.aborted).length;
  happened(job, failed > 0 && await first.page.evaluate(() => !navigator.onLine), `${failed} requests failed while offline`);
  if (inNamespace()) { ip('link', 'set', LINK, 'up'); routeBack(); }
  for (const viewer of gone) await viewer.page.context().setOffline(false);
  job.proxy.restoreEdge();
  const before = await first.report();
  await first.until('bytes from peers after it came back', (r) => r.fromPeers > before.fromPeers && r.peers > 0, 12_000);
  await coresRun(job);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${failed} requests failed; peers again after it`;
}

/** The interface goes down and comes back with another address: candidates of old are dead, and so is every socket. */
async function wifiChange(job) {
  happened(job, inNamespace(), 'this job has no network of its own');
  const viewers = await pair(job, {}, COUNTED);
  await morePeerBytes(viewers, 0, 12_000);
  ip('link', 'set', LINK, 'down');
  ip('addr', 'flush', 'dev', LINK);
  await pause(1500);
  ip('addr', 'add', '10.88.0.77/24', 'dev', LINK);
  ip('link', 'set', LINK, 'up');
  routeBack();
  const before = await morePeerBytes(viewers, 0, 100);
  // Two pings go unanswered, the edge is asked, it proposes, they dial.
  const then = await morePeerBytes(viewers, before + 1, 24_000);
  await coresRun(job);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${then - before} B from peers under the new address`;
}

/** The processes of plain HLS.js and of one viewer stand still for 12 s: their clocks run on, their timers do not. */
async function sleep(job) {
  const [first, second] = await pair(job, {}, COUNTED);
  await morePeerBytes([first, second], 0, 12_000);
  const asleep = [];
  for (const viewer of [job.viewers.named('plain'), first]) asleep.push(await rendererOf(job.browser, viewer.page));
  const before = await first.report();
  asleep.forEach(stop);
  try {
    await pause(12_000);
  } finally {
    asleep.forEach(resume);
  }
  const after = await first.report();
  happened(job, after.wallSeconds - before.wallSeconds > 11 && after.playedSeconds - before.playedSeconds < 6, `${brief(before)}, then ${brief(after)}`);
  await first.until('segments after it woke', (r) => r.deliveredBytes > after.deliveredBytes + 200_000, 10_000);
  const { fromPeers } = await second.report();
  await coresRun(job);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `slept 12 s; its neighbour has ${fromPeers} B from peers`;
}

/** No datagram arrives: offers go to and fro, no channel ever opens. */
async function udpBlocked(job) {
  happened(job, inNamespace(), 'this job has no network of its own');
  nft('add', 'table', 'inet', 'fault');
  nft('add', 'chain', 'inet', 'fault', 'in', '{ type filter hook input priority 0 ; }');
  nft('add', 'rule', 'inet', 'fault', 'in', 'meta', 'l4proto', 'udp', 'counter', 'drop');
  await pair(job, {}, COUNTED);
  await pause(14_000);
  const [, packets] = /packets (\d+)/.exec(nft('list', 'table', 'inet', 'fault')) ?? [];
  happened(job, Number(packets) > 0, 'no datagram was dropped');
  await coresRun(job);
  await noPeerBytes(job);
  for (const r of await job.viewers.reports()) assert.ok(!r.peers, `${r.name} has ${r.peers} neighbours`);
  await asPlain(job);
  await nothingOpen(job.viewers.all);
  return `${packets} datagrams dropped`;
}
