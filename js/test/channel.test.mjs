// What the core hears of a data channel: the cases of tests/vectors/channel, which the simulator's model runs as well.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { load } from './load.mjs';

const { Peers } = await load('host-rtc');
const { cases } = JSON.parse(readFileSync(new URL('../../tests/vectors/channel/drained.json', import.meta.url)));

const CONN = 1;
const DRAINED = 3;

/** As the standard has it: `bufferedamountlow` once the buffer falls from above the threshold to it or below, in a task of its own. */
class ScriptedChannel {
  readyState = 'open';
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  onbufferedamountlow = null;
  messages = [];
  events = [];
  constructor(label) { this.label = label; }
  send(bytes) {
    if (this.readyState !== 'open') throw new Error('InvalidStateError');
    this.messages.push(bytes.byteLength);
    this.bufferedAmount += bytes.byteLength;
  }
  leave() {
    const above = this.bufferedAmount > this.bufferedAmountLowThreshold;
    this.bufferedAmount -= this.messages.shift();
    if (above && this.bufferedAmount <= this.bufferedAmountLowThreshold) this.events.push(() => this.onbufferedamountlow?.());
  }
  dispatch() {
    for (const event of this.events.splice(0)) event();
  }
  close() { this.readyState = 'closing'; }
}

class ScriptedConnection {
  static last = null;
  channels = {};
  constructor() { ScriptedConnection.last = this; }
  createDataChannel(label) { return (this.channels[label] = new ScriptedChannel(label)); }
  close() {}
}

let told;
let peers;
let data;
let control;

beforeEach(() => {
  globalThis.RTCPeerConnection = ScriptedConnection;
  told = [];
  peers = new Peers({ event: (conn, event) => told.push([conn, event]), frames() {}, data() {} });
  peers.open(CONN, [], false);
  ({ data, control } = ScriptedConnection.last.channels);
});

afterEach(() => { delete globalThis.RTCPeerConnection; });

/** The two ways in which bytes get into a data channel. */
const WAYS = {
  media: (bytes) => peers.sendMedia(CONN, new Uint8Array(24), bytes - 24, (room) => room.fill(7).length > 0),
  frames: (bytes) => peers.send(CONN, true, new Uint8Array(bytes)),
};

function perform(step, send) {
  if ('send' in step) send(step.send);
  else if ('control' in step) {
    peers.send(CONN, false, new Uint8Array(step.control));
    control.leave();
    control.dispatch();
  } else if ('mark' in step) peers.lowMark(CONN, step.mark);
  else if ('leave' in step) for (let n = step.leave; n > 0; n -= 1) data.leave();
  else if (step.do === 'settle') peers.settle();
  else if (step.do === 'close') peers.close(CONN);
  else assert.fail(`no such step: ${JSON.stringify(step)}`);
  data.dispatch();
}

for (const [way, send] of Object.entries(WAYS)) {
  for (const { name, steps } of cases) {
    test(`${way}: ${name}`, () => {
      let open = true;
      steps.forEach((step, n) => {
        told.length = 0;
        perform(step, send);
        open &&= step.do !== 'close';
        const at = `step ${n}: ${JSON.stringify(step)}`;
        assert.deepEqual(told, Array.from({ length: step.drained ?? 0 }, () => [CONN, DRAINED]), at);
        if (open) assert.equal(data.bufferedAmount, step.buffered, at);
      });
    });
  }
}

test('bytes that leave after the connection was closed are told to nobody', () => {
  peers.lowMark(CONN, 100);
  WAYS.frames(200);
  data.leave();
  peers.close(CONN);
  data.dispatch();
  peers.settle();
  assert.deepEqual(told, []);
});
