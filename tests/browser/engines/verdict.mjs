// What must be true of every engine, and of those with and without WebRTC.

import assert from 'node:assert/strict';
import { bytesEqualOrigin, keepsUpWith, noWorseThan, statsComplete } from '../lib/checks.mjs';
import { brief } from '../lib/viewers.mjs';

/** Throws at the first thing that is not as it must be; returns the figures in one line. */
export async function judge(job, { hold }) {
  for (const viewer of job.ours) {
    const plain = job.plainOf(viewer);
    noWorseThan(await plain.report(), [await viewer.report()]);
    const fragments = await viewer.fragments();
    await keepsUpWith(plain, [viewer]);
    statsComplete(viewer.name, fragments);
  }
  for (const viewer of job.viewers) await silent(viewer);
  for (const viewer of job.ours) await hold(viewer);
  const compared = await bytesEqualOrigin(job.witness, job.viewers);
  const figures = [];
  for (const browser of job.browsers) figures.push(await figuresOf(browser, job));
  return `${figures.join('; ')}; ${compared} payloads equal the origin's`;
}

function coreAlone({ name }, { fromPeers, modules, sdk, seen }) {
  assert.equal(sdk.state, 'on', `no core runs at ${name}: ${sdk.state} (${sdk.reason ?? 'no reason'})`);
  assert.ok(modules === 1 && seen.sockets === 1, `${name}: ${modules} modules, ${seen.sockets} sockets`);
  assert.ok(sdk.loads.mesh >= 4 && sdk.loads.takeover === 0, `${name}: loads ${JSON.stringify(sdk.loads)}`);
  assert.equal(fromPeers, 0);
}

/** A core runs, and gave and took verified bytes. */
export async function meshed(viewer) {
  const report = await viewer.report();
  assert.equal(report.sdk.state, 'on', `no core runs at ${viewer.name}: ${report.sdk.state} (${report.sdk.reason ?? 'no reason'})`);
  assert.ok(report.modules >= 1, `${viewer.name} fetched no wasm module`);
  assert.equal(report.seen.sockets, 1, `${viewer.name} opened ${report.seen.sockets} sockets to the edge`);
  assert.ok(report.seen.connections.some(({ ms }) => ms !== null), `${viewer.name}: no channel opened`);
  assert.ok(report.fromPeers > 0, `${viewer.name} got nothing from peers: ${brief(report)}`);
  assert.ok(viewer.sentBefore + report.sdk.mesh.uploadedBytes > 0, `${viewer.name} sent nothing to peers: ${brief(report)}`);
}

/** Where no peer can be reached, nothing is fetched or opened for the sake of peers; with a stand-in the core works. */
export async function httpOnly(viewer) {
  const report = await viewer.report();
  if (viewer.player.core) return coreAlone(viewer, report);
  assert.equal(report.webrtc, false, `${viewer.name} has WebRTC; this case is about engines without`);
  assert.deepEqual([report.sdk.state, report.sdk.reason], ['off', 'no-webrtc'], `state of ${viewer.name}`);
  assert.equal(report.modules, 0, `${viewer.name} fetched the wasm module, which is of no use there`);
  assert.equal(report.seen.sockets, 0, `${viewer.name} went to the edge although no peer can reach it`);
  assert.equal(report.fromPeers, 0);
  assert.ok(report.sdk.loads.plain >= 4 && report.sdk.loads.mesh === 0, `${viewer.name}: loads ${JSON.stringify(report.sdk.loads)}`);
  return undefined;
}

/** No script error, no fatal error of HLS.js, and on the console no line that is about us but those that are due. */
async function silent(viewer) {
  assert.deepEqual(await viewer.pageErrors(), [], `${viewer.name}: errors of the page`);
  const { errors, warnings, webrtc } = await viewer.report();
  assert.deepEqual(errors.filter((e) => e.fatal || e.what === 'internalException'), [], `${viewer.name}: errors of HLS.js`);
  const due = webrtc || viewer.build === 'plain' ? [] : ['no-webrtc'];
  assert.deepEqual(warnings, due, `${viewer.name}: warnings of the SDK`);
  const ours = (await viewer.lines()).filter((line) => /meshedflow|\/sdk\/|wasm|webrtc|\bice\b/i.test(line));
  assert.deepEqual(ours.map((line) => /\[([a-z-]+)\]$/.exec(line)?.[1] ?? line), due, `${viewer.name}: lines on the console`);
}

async function figuresOf(browser, job) {
  const reports = await Promise.all(job.viewers.filter((viewer) => viewer.browser === browser).map((viewer) => viewer.report()));
  const each = reports.map((r) => `${r.build}${r.hls === '1.7.4' ? '' : ` on ${r.hls}`}${r.core ? ' with its core' : ''} ${Math.round(r.startupMs)} ms${traffic(r)}`);
  return `${browser.version}: first frame ${each.join(', ')}`;
}

function traffic({ fromPeers, fromHttp, sdk, seen }) {
  if (!sdk?.mesh) return '';
  const connected = seen.connections.map(({ ms }) => ms).filter((ms) => ms !== null).map(Math.round);
  const met = connected.length ? `, connected in ${connected.join('/')} ms` : '';
  return ` (peers ${kilo(fromPeers)}, HTTP ${kilo(fromHttp)}, sent ${kilo(sdk.mesh.uploadedBytes)} kB, elected ${sdk.mesh.elections}${met})`;
}

function kilo(bytes) { return Math.round(bytes / 1000); }
