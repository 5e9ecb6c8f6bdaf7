// GETs of the core, with XMLHttpRequest and fetch played by the test.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { load } from './load.mjs';

const { HttpClient } = await load('host-http');
const settle = async () => { for (let i = 0; i < 20; i++) await null; };

let requests;
let fetched;
let told;
let client;

class PlayedRequest {
  readyState = 0;
  status = 0;
  statusText = '';
  response = null;
  responseURL = '';
  log = [];
  constructor() { requests.push(this); }
  open(method, url) { this.readyState = 1; this.log = [`open ${method} ${url}`]; }
  setRequestHeader(name, value) {
    if (this.readyState !== 1) throw new Error('not opened');
    this.log.push(`${name}: ${value}`);
  }
  send() { this.log.push('send'); }
  abort() { this.log.push('abort'); }
  getAllResponseHeaders() { return ''; }
  to(state, more = {}) { Object.assign(this, { readyState: state, ...more }); this.onreadystatechange?.(); }
  answer(bytes) { this.to(2, { status: 200 }); this.to(4, { response: new ArrayBuffer(bytes) }); }
}

const globals = ['XMLHttpRequest', 'fetch', 'location'];
const real = globals.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);

beforeEach(() => {
  requests = [];
  fetched = [];
  told = [];
  globalThis.XMLHttpRequest = PlayedRequest;
  globalThis.fetch = async (...asked) => { fetched.push(asked); return new Response(new Uint8Array(5)); };
  globalThis.location = { origin: 'https://page.example' };
  const note = (name) => (...args) => { told.push([name, ...args]); return true; };
  client = new HttpClient(Object.fromEntries(['head', 'chunk', 'loading', 'whole', 'body', 'end'].map((name) => [name, note(name)])));
});

afterEach(() => {
  client.close();
  for (const [name, was] of real) {
    if (was) Object.defineProperty(globalThis, name, was);
    else delete globalThis[name];
  }
});

const names = () => told.map(([name]) => name);
const get = (recipe, more = {}) => client.get({ http: 1, url: 'https://cdn.example/s.m4s', range: undefined, chunks: true, limited: false, streamed: false, recipe: { headers: {}, context: {}, ...recipe }, ...more });

test('alone it asks with an XMLHttpRequest, in XhrLoader\'s order', () => {
  get({ headers: { 'CMCD-Request': 'bl=1' } }, { range: [10, 20] });
  assert.deepEqual(requests[0].log, ['open GET https://cdn.example/s.m4s', 'CMCD-Request: bl=1', 'Range: bytes=10-19', 'send']);
  requests[0].answer(10);
  assert.deepEqual(names(), ['head', 'whole', 'end']);
  assert.equal(fetched.length, 0);
});

test('with company, and with a fetchSetup, it reads the body as it comes', async () => {
  get({}, { streamed: true });
  await settle();
  get({ fetchSetup: (context, init) => new Request(context.url, init) });
  await settle();
  assert.deepEqual([requests.length, fetched.length], [0, 2]);
});

test('a setup that opens, sets a header and then throws is asked again on a request opened anew', async () => {
  let asked = 0;
  get({ xhrSetup: (xhr, url) => {
    if (!asked++) xhr.open('GET', `${url}?first`);
    xhr.setRequestHeader('X-Try', String(asked));
    if (asked === 1) throw new Error('not yet');
  } });
  await settle();
  assert.deepEqual(requests[0].log, ['open GET https://cdn.example/s.m4s', 'X-Try: 2', 'send']);
});

test('the page\'s handlers stay, and a request that the page gives up has failed', async () => {
  const onload = () => {};
  get({ xhrSetup: (xhr) => { xhr.open('GET', 'https://cdn.example/s.m4s'); xhr.onload = onload; xhr.onerror = onload; } });
  await settle();
  assert.deepEqual([requests[0].onload, requests[0].onerror], [onload, onload]);
  requests[0].to(4);
  assert.deepEqual(told.map(([name, , failure, fault]) => [name, failure, fault.status]), [['end', 1, 0]]);
});

test('aborted while its setup is under way it is never sent', async () => {
  let go;
  get({ xhrSetup: () => new Promise((done) => (go = done)) });
  await settle();
  client.abort(1);
  go();
  await settle();
  assert.ok(!requests[0].log.includes('send'));
  assert.deepEqual(told, []);
});

test('what an error says is read, and its details answer as an XMLHttpRequest does', async () => {
  globalThis.fetch = async () => new Response('no', { status: 404, headers: { 'Content-Type': 'text/plain' } });
  get({}, { streamed: true });
  await settle();
  await new Promise((go) => setTimeout(go, 20));
  const [, , failure, fault] = told.at(-1);
  assert.deepEqual([failure, fault.status, fault.details.readyState, fault.details.getResponseHeader('Content-Type'), fault.details.bodyUsed], [404, 404, 4, 'text/plain', true]);
  assert.match(fault.details.getAllResponseHeaders(), /content-type: text\/plain\r\n/);
});
