// A page on a stage: its core is scripted, its clock stands still, and what it is told is kept.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock } from 'node:test';
import { ScriptedHttp, ScriptedPort, context, load, loaderConfig, recorder } from './load.mjs';

export const sdk = await load('api', 'mesh-load', 'load-stats', 'follow', 'errors');
const { MeshedFlowLoader, MeshLoad, follow, newStats } = sdk;

export class TheirLoader extends ScriptedHttp {
  constructor() { super(newStats()); }
}
export const player = { loader: TheirLoader };
export const settle = async () => { for (let i = 0; i < 10; i++) await null; };

export let port;
export let starts;
export let leave;
let fail;
export let open;
export const late = async () => ({
  MeshLoad,
  follow,
  watchSurroundings: (report, left) => {
    leave = left;
    report({ type: 'hidden', hidden: false });
    return () => (leave = null);
  },
  start: async (options) => {
    starts.push(options);
    if (fail) throw fail;
    return port;
  },
});

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  port = new ScriptedPort();
  starts = [];
  leave = null;
  fail = null;
  open = [];
  ScriptedHttp.made = [];
});
afterEach(() => {
  open.forEach((mesh) => mesh.destroy());
  mock.timers.reset();
  mock.restoreAll();
});

export function make(options = {}) {
  const mesh = new MeshedFlowLoader({ streamId: 'demo', ...options }, late);
  open.push(mesh);
  return mesh;
}

export function ask(mesh, ctx = context()) {
  const session = mesh.session(player);
  const heard = recorder(session);
  session.load(ctx, loaderConfig(), heard.callbacks);
  return { session, http: ScriptedHttp.made.at(-1), ...heard };
}

/** From now on no core comes up. */
export function failWith(error) {
  fail = error;
}

/** The next core that comes up is another one. */
export function nextPort() {
  port = new ScriptedPort();
}

/** Until the core of a page that has its first segment is up. */
export async function started(afterMs = 200) {
  mock.timers.tick(afterMs);
  await settle();
}

/** A page whose core is up. */
export async function up(options) {
  const mesh = make(options);
  ask(mesh).http.answer(1000);
  await started();
  assert.equal(mesh.stats().state, 'on');
  return mesh;
}

/** A player as far as pages look at one. */
export function hls(config) {
  const listeners = new Map();
  return {
    config: { ...player, ...config }, userConfig: config, media: null, levels: [], url: null, bandwidthEstimate: 5e6,
    on: (name, fn) => listeners.set(name, (listeners.get(name) ?? new Set()).add(fn)),
    off: (name, fn) => listeners.get(name)?.delete(fn),
    emit: (name, data) => [...(listeners.get(name) ?? [])].forEach((fn) => fn(name, data)),
    count: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
  };
}
