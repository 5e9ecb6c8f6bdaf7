// The core's one timer, in visible and hidden pages, with and without a worker, on exact and on coarse clocks.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { load } from './load.mjs';

const { WakeTimer } = await load('host-timer');

let clock;
let grain;
let page;
let workers;
let urls;
let fired;

class ScriptedWorker {
  messages = [];
  terminated = false;
  constructor(url) {
    // What Safari before 17 does: the script is fetched when the page's turn is over.
    queueMicrotask(() => { this.loaded = urls.has(url); });
    workers.push(this);
  }
  postMessage(ms) { this.messages.push(ms); }
  terminate() { this.terminated = true; }
}

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  clock = 1000;
  grain = 0.005;
  mock.method(performance, 'now', () => Math.floor(clock / grain) * grain);
  page = Object.assign(new EventTarget(), { hidden: false });
  workers = [];
  urls = new Set();
  fired = [];
  globalThis.document = page;
  globalThis.Worker = ScriptedWorker;
  mock.method(URL, 'createObjectURL', () => { urls.add('blob:1'); return 'blob:1'; });
  mock.method(URL, 'revokeObjectURL', (url) => urls.delete(url));
});

afterEach(() => {
  delete globalThis.document;
  delete globalThis.Worker;
  mock.timers.reset();
  mock.restoreAll();
});

const make = () => new WakeTimer(() => fired.push(performance.now()));
function pass(ms) {
  for (let i = 0; i < ms; i += 1) { clock += 1; mock.timers.tick(1); }
}
function hide(hidden) {
  page.hidden = hidden;
  page.dispatchEvent(new Event('visibilitychange'));
}

test('fires once, at its time', () => {
  const timer = make();
  timer.arm(1050);
  pass(49);
  assert.equal(fired.length, 0);
  pass(100);
  assert.equal(fired.length, 1);
  timer.close();
});

test("a hidden page's timer runs in a worker, whose script is there when it is fetched", async () => {
  const timer = make();
  timer.arm(1050);
  hide(true);
  await null;
  await null;
  assert.deepEqual([workers.length, workers[0].loaded, workers[0].messages], [1, true, [50]]);
  workers[0].onmessage();
  assert.equal(fired.length, 1);
  timer.close();
  assert.deepEqual([workers[0].terminated, urls.size], [true, 0], 'nothing is left');
});

test('where the worker may not run, the slow timer does', () => {
  const timer = make();
  hide(true);
  timer.arm(1050);
  workers[0].onerror();
  assert.equal(urls.size, 0);
  pass(60);
  assert.equal(fired.length, 1);
  timer.arm(1200);
  assert.equal(workers.length, 1, 'no second one');
  timer.close();
});

test('a clock of 100 ms, as against fingerprinting, neither loses a wake-up nor spins', () => {
  grain = 100;
  const timer = make();
  // A core that is asked too early asks again for the same time.
  let calls = 0;
  const due = 1450;
  timer.fire = () => { calls += 1; if (performance.now() < due) timer.arm(due); else fired.push(clock); };
  timer.arm(due);
  pass(700);
  assert.equal(fired.length, 1);
  assert.ok(fired[0] >= due && fired[0] <= due + 110, `fired at ${fired[0]}`);
  assert.ok(calls <= 4, `${calls} calls`);
  timer.close();
});
