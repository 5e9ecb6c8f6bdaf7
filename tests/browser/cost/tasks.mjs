// Long tasks and main-thread time: a mesh viewer beside plain HLS.js in the same run, with the profile that says whose time it
// was. Figures and ratios only: how long a task takes is this machine's affair as well, and decides nothing.

import assert from 'node:assert/strict';
import { pause } from '../lib/viewers.mjs';
import { watchesTasks } from './counting.mjs';

const OURS = /\/sdk\/|^wasm:/;

/** `slower`: how many times slower the CPU is made. */
export async function tasks(job, { seconds, slower }) {
  const first = await job.mesh('first', { hash: 0, frags: 0 });
  await first.playing();
  await pause(2000);
  const watched = await profiled(job, 'mesh', slower);
  const plain = await profiled(job, 'plain', slower);
  for (const { viewer } of [watched, plain]) await viewer.playing(30_000);
  await watched.viewer.until('a neighbour', (r) => r.peers > 0, 30_000);
  await pause(seconds * 1000);
  const [ours, theirs] = [await watched.read(), await plain.read()];
  const worst = Math.max(0, ...ours.tasks.map((t) => t.oursMs));
  const ratio = { longest: longest(ours) / longest(theirs), busy: ours.busy / theirs.busy };
  const perMb = ours.oursMs / (ours.bytes / 1e6);
  const figures = { slower, worstMs: worst, ratio, oursMs: ours.oursMs, bytes: ours.bytes, fromPeers: ours.fromPeers, longTasks: { mesh: ours.tasks, plain: theirs.tasks }, busy: { mesh: ours.busy, plain: theirs.busy } };
  job.note = JSON.stringify({ worst, whose: ours.tasks.map((t) => t.whose), top: ours.top });
  assert.ok(ours.samples > 100 && ours.oursMs > 0, 'the profile saw nothing of the SDK');
  return {
    figures,
    text: `CPU ${slower} times slower: longest task ${ratio.longest.toFixed(2)} times that of plain HLS.js (${longest(theirs).toFixed(0)} ms), main thread ${ratio.busy.toFixed(2)} times; `
      + `${ours.tasks.length} long tasks with at most ${worst.toFixed(0)} ms of ours in one, plain ${theirs.tasks.length}; ${perMb.toFixed(1)} ms of ours per MB (${Math.round((100 * ours.fromPeers) / ours.bytes)} % from peers); main thread ${(100 * ours.busy).toFixed(1)} % against ${(100 * theirs.busy).toFixed(1)} % plain`,
  };
}

/** No task over 50 ms is told by the browser: that long one may have been, then. */
function longest({ tasks: long }) {
  return Math.max(50, ...long.map((t) => t.ms));
}

async function profiled(job, kind, slower) {
  const viewer = await job[kind === 'plain' ? 'plain' : 'mesh'](`watched-${kind}`, { hash: 0, frags: 0 }, { faults: [watchesTasks] });
  const cdp = await viewer.page.context().newCDPSession(viewer.page);
  if (slower > 1) await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
  await cdp.send('Profiler.enable');
  await cdp.send('Profiler.setSamplingInterval', { interval: 500 });
  const clock = await viewer.page.evaluate(() => performance.now());
  await cdp.send('Profiler.start');
  return {
    viewer,
    async read() {
      const { profile } = await cdp.send('Profiler.stop');
      const seen = await viewer.page.evaluate(() => ({ tasks: window.__tasks, report: window.viewer.report() }));
      return judge(profile, seen, clock);
    },
  };
}

/** `clock`: the page's time when the profile began, to a few milliseconds. */
function judge(profile, { tasks: long, report }, clock) {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const idle = (node) => ['(idle)', '(root)', '(program)'].includes(node.callFrame.functionName);
  const ours = new Map(); // node -> whether it, or who called it, is ours
  const mark = (node, parentIsOurs) => {
    const is = parentIsOurs || OURS.test(node.callFrame.url);
    ours.set(node.id, is && !idle(node));
    for (const child of node.children ?? []) mark(byId.get(child), is);
  };
  mark(profile.nodes[0], false);
  let at = profile.startTime;
  let [oursMs, busyMs] = [0, 0];
  const spans = [];
  const self = new Map();
  profile.samples.forEach((id, i) => {
    const ms = profile.timeDeltas[i] / 1000;
    at += profile.timeDeltas[i];
    const node = byId.get(id);
    if (!idle(node)) busyMs += ms;
    if (!ours.get(id)) return;
    oursMs += ms;
    const name = `${node.callFrame.functionName || '(anonymous)'}:${node.callFrame.url.split('/').at(-1)}:${node.callFrame.lineNumber}`;
    spans.push({ at: clock + (at - profile.startTime) / 1000, ms, name });
    self.set(name, (self.get(name) ?? 0) + ms);
  });
  const CLOCK_MS = 10; // the two clocks agree to about this
  const inside = (t) => spans.filter((s) => s.at >= t.at - CLOCK_MS && s.at <= t.at + t.ms + CLOCK_MS);
  const within = (t) => inside(t).reduce((sum, s) => sum + s.ms, 0);
  const whose = (t) => inside(t).sort((a, b) => b.ms - a.ms).slice(0, 3).map(({ name, ms }) => `${name} ${ms.toFixed(1)}`);
  const bytes = report.sdk ? report.fromPeers + report.fromHttp : report.deliveredBytes;
  return {
    samples: profile.samples.length, oursMs, busy: busyMs / ((profile.endTime - profile.startTime) / 1000),
    tasks: long.filter((t) => t.at >= clock).map((t) => ({ ...t, oursMs: within(t), whose: whose(t) })),
    bytes, fromPeers: report.fromPeers,
    top: [...self].sort((a, b) => b[1] - a[1]).slice(0, 12).map(([name, ms]) => `${name} ${ms.toFixed(1)}`),
  };
}
