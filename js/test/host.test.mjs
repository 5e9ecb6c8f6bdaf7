// What the core tells, on its way to the page.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { load } from './load.mjs';

globalThis.document ??= { addEventListener() {}, removeEventListener() {} };
const { Host } = await load('host');
const settle = () => new Promise((done) => setTimeout(done));

test('news of neighbours come in order, with the path where the browser tells it', async () => {
  const heard = [];
  const host = new Host((name, detail) => heard.push([name, detail]));
  const answers = [];
  host.peers.path = (conn) => (conn === 1 ? new Promise((done) => answers.push(done)) : Promise.resolve(undefined));
  const say = (conn, up, count) => host.event('peer', JSON.stringify({ conn, peer: `p${conn}`, up, count }));
  say(1, true, 1);
  say(2, true, 2);
  say(2, false, 1);
  await settle();
  assert.deepEqual(heard, [], 'the first is not known yet');
  const transport = { local: 'host', remote: 'srflx', protocol: 'udp', rttMs: 3 };
  answers[0](transport);
  await settle();
  host.close();
  assert.deepEqual(heard.map(([name]) => name), ['peer', 'peer', 'peer']);
  assert.deepEqual(heard.map(([, detail]) => detail), [
    { peer: 'p1', up: true, count: 1, transport },
    { peer: 'p2', up: true, count: 2 },
    { peer: 'p2', up: false, count: 1 },
  ]);
});

test('a path that the browser never tells, or fails to, holds no news up', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const heard = [];
  const host = new Host((_, { peer, up, transport }) => heard.push([peer, up, transport]));
  const transport = { local: 'host', remote: 'host', protocol: 'udp' };
  const paths = [new Promise(() => {}), Promise.reject(new Error('gone')), Promise.resolve(transport), new Promise(() => {})];
  host.peers.path = (conn) => paths[conn] ?? Promise.resolve(undefined);
  const say = (conn, up) => host.event('peer', JSON.stringify({ conn, peer: `p${conn}`, up, count: 1 }));
  const turns = async () => { for (let i = 0; i < 50; i++) await null; };
  for (const conn of [0, 1, 2, 3]) say(conn, true);
  paths[0] = undefined;
  say(0, false);
  await turns();
  assert.deepEqual(heard, []);
  mock.timers.tick(1000);
  await turns();
  mock.timers.reset();
  host.close();
  assert.deepEqual(heard, [['p0', true, undefined], ['p1', true, undefined], ['p2', true, transport], ['p3', true, undefined], ['p0', false, undefined]]);
});
