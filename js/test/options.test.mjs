import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { checkOptions, coreOptions, keyOf, MeshedFlowError } = await load('options', 'core-options', 'errors');

const KEY = 'A'.repeat(43);
const ALL = {
  streamId: 'demo', signalingUrl: 'wss://edge.example/mesh', originBaseUrl: 'https://cdn.example/live/demo/', peerId: 'viewer-1',
  remoteConfigUrl: 'https://edge.example/policy.json', enableRarestFirst: false, cmafMode: 'serve', trustedKeys: [KEY], rootKey: KEY,
  trustedKeyOrigins: ['https://keys.example'], allowInsecure: false, token: 'secret', consent: 'required',
  upload: { rateBytesPerS: 1e6, sessionBytes: 1e9, slots: 4 }, peers: { max: 8 }, relayOnly: false,
  memoryBytes: 96 << 20, iceServerHosts: ['turn.example'], wasmUrl: 'https://cdn.example/m.wasm', debug: true,
};

function refused(options, code, option) {
  try {
    checkOptions(options);
  } catch (error) {
    assert.ok(error instanceof MeshedFlowError, String(error));
    assert.equal(error.code, code, error.message);
    assert.equal(error.option, option, error.message);
    assert.ok(error.expected && error.message.includes(error.expected), `says what was expected: ${error.message}`);
    return error;
  }
  assert.fail(`${JSON.stringify(options)} was accepted`);
}

test('every documented option is accepted, and so is undefined', () => {
  assert.equal(checkOptions(ALL), ALL);
  checkOptions(Object.fromEntries(Object.keys(ALL).map((key) => [key, key === 'streamId' ? 's' : undefined])));
  checkOptions({ streamId: 'a', consent: () => true, wasmUrl: new Uint8Array(4) });
});

test('one bad value for every option, each named with what was expected', () => {
  const bad = {
    streamId: 'white space', signalingUrl: 'https://edge.example', originBaseUrl: 'ftp://x/', peerId: '', remoteConfigUrl: 'http://edge.example/p.json',
    enableRarestFirst: 'yes', cmafMode: 'on', trustedKeys: ['short'], rootKey: 5, trustedKeyOrigins: ['https://keys.example/path'], allowInsecure: 1,
    token: '', consent: true, peers: [], relayOnly: null, memoryBytes: -1, iceServerHosts: ['a:b'], wasmUrl: 7, debug: 'x', upload: 3,
  };
  assert.deepEqual(Object.keys(bad).sort(), Object.keys(ALL).sort(), 'this test covers every option');
  for (const [option, value] of Object.entries(bad)) refused({ streamId: 'demo', [option]: value }, 'option-invalid', option);
});

test('nested options are named by their path', () => {
  refused({ streamId: 'demo', upload: { slots: 17 } }, 'option-invalid', 'upload.slots');
  const { message } = refused({ streamId: 'demo', upload: { slot: 1 } }, 'option-unknown', 'upload.slot');
  assert.match(message, /did you mean upload\.slots\?/);
  refused({ streamId: 'demo', peers: { max: 1.5 } }, 'option-invalid', 'peers.max');
});

test('unknown and missing options', () => {
  const error = refused({ streamId: 'demo', streamID: 'demo' }, 'option-unknown', 'streamID');
  assert.match(error.message, /there is no option streamID; did you mean streamId\? Expected one of streamId, signalingUrl/);
  const hint = (name) => / did you mean ([\w.]+)\?/.exec(refused({ streamId: 'demo', ...name }, 'option-unknown', Object.keys(name)[0]).message)?.[1];
  assert.deepEqual(['signallingURL', 'trustedkey', 'relay_only', 'colour'].map((name) => hint({ [name]: 1 })), ['signalingUrl', 'trustedKeys', 'relayOnly', undefined]);
  refused({ streamId: 'demo', ['__proto__x']: 1 }, 'option-unknown', '__proto__x');
  refused({ streamId: 'demo', toString: 1 }, 'option-unknown', 'toString');
  refused({}, 'option-missing', 'streamId');
  refused(undefined, 'option-missing', 'options');
});

test('a bad value is shown, a bad token is not', () => {
  assert.match(refused({ streamId: 'demo', cmafMode: 'on' }, 'option-invalid', 'cmafMode').message, /is "on"; expected 'off', 'advertise-only' or 'serve'/);
  const error = refused({ streamId: 'demo', token: 'x'.repeat(9000) }, 'option-invalid', 'token');
  assert.ok(!JSON.stringify([error.message, error.value]).includes('xxx'));
});

test('without TLS only on loopback, or when the page says so', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '[::1]']) checkOptions({ streamId: 'a', signalingUrl: `ws://${host}:1/mesh` });
  refused({ streamId: 'a', signalingUrl: 'ws://10.0.0.1/mesh' }, 'option-invalid', 'signalingUrl');
  refused({ streamId: 'a', signalingUrl: 'ws://localhost.example/mesh' }, 'option-invalid', 'signalingUrl');
  checkOptions({ streamId: 'a', signalingUrl: 'ws://10.0.0.1/mesh', allowInsecure: true });
});

// For every option, values of which no two may share a core; the first is what leaving the option out means.
const asks = [() => true, () => true];
const DIFFER = {
  streamId: ['s', 't', 's/'],
  signalingUrl: [undefined, 'wss://a.example/', 'wss://a.example/mesh'],
  originBaseUrl: [undefined, 'https://a.example/', 'https://a.example/b/'],
  peerId: [undefined, 'a', 'b'],
  remoteConfigUrl: [undefined, 'https://p.example/a', 'https://p.example/b'],
  enableRarestFirst: [true, false],
  cmafMode: ['advertise-only', 'off', 'serve'],
  trustedKeys: [[], [KEY], [KEY, 'B'.repeat(43)], ['B'.repeat(43)]],
  rootKey: [undefined, KEY, 'B'.repeat(43)],
  trustedKeyOrigins: [[], ['https://a.example'], ['https://a.example', 'https://b.example']],
  allowInsecure: [false, true],
  token: [undefined, 'secret', 'secret2'],
  consent: ['given', 'required', ...asks],
  upload: [{}, { rateBytesPerS: 0 }, { rateBytesPerS: 1 }, { sessionBytes: 0 }, { sessionBytes: 1 }, { slots: 0 }, { slots: 1 }, { slots: 1, sessionBytes: 1 }],
  peers: [{}, { max: 0 }, { max: 1 }, { max: 12 }],
  relayOnly: [false, true],
  memoryBytes: [undefined, 0, 1],
  iceServerHosts: [[], ['a.example'], ['a.example', 'b.example']],
};
/** Reach neither the core nor anyone outside. */
const SAME = { wasmUrl: ['https://a.example/m.wasm', new Uint8Array(4)], debug: [true, false] };

test('players whose options differ share no core, whichever option it is', () => {
  assert.deepEqual(Object.keys({ ...DIFFER, ...SAME }).sort(), Object.keys(ALL).sort(), 'this test covers every option');
  for (const base of [{ streamId: 's' }, ALL]) {
    for (const [option, values] of Object.entries(DIFFER)) {
      const keys = values.map((value) => keyOf({ ...base, [option]: value }));
      assert.equal(new Set(keys).size, values.length, `${option}: ${keys.join(' ')}`);
      assert.equal(keyOf({ ...base, [option]: option === 'streamId' ? 's' : undefined }), keys[0], `${option} left out`);
      assert.deepEqual(values.map((value) => keyOf({ ...base, [option]: value })), keys, `${option}: the same words, the same core`);
    }
    for (const [option, values] of Object.entries(SAME)) for (const value of values) assert.equal(keyOf({ ...base, [option]: value }), keyOf(base), option);
  }
});

test('no word of one option is taken for that of another', () => {
  const pairs = [[{ rootKey: KEY }, { trustedKeys: [KEY] }], [{ iceServerHosts: ['a'] }, { trustedKeyOrigins: ['a'] }], [{ upload: { slots: 1 } }, { peers: { max: 1 } }], [{ allowInsecure: true }, { relayOnly: true }], [{ token: 'a' }, { peerId: 'a' }], [{ trustedKeys: ['a,b'] }, { trustedKeys: ['a', 'b'] }]];
  for (const [one, other] of pairs) assert.notEqual(keyOf({ streamId: 's', ...one }), keyOf({ streamId: 's', ...other }), JSON.stringify(one));
});

test('the order of lists and members makes no difference to the page key, and it holds no secret', () => {
  const key = (more) => keyOf({ streamId: 's', ...more });
  for (const list of ['trustedKeys', 'trustedKeyOrigins', 'iceServerHosts']) assert.equal(key({ [list]: ['b', 'a'] }), key({ [list]: ['a', 'b'] }), list);
  assert.equal(key({ upload: { slots: 1, sessionBytes: 2, rateBytesPerS: undefined } }), key({ upload: { sessionBytes: 2, slots: 1 } }));
  const given = ['b', 'a'];
  key({ trustedKeys: given });
  assert.deepEqual(given, ['b', 'a'], "the page's own list is left as it is");
  const secret = key({ token: 'hush-hush', signalingUrl: 'wss://edge.example/mesh?ticket=hush-hush' });
  assert.ok(!secret.includes('hush'), secret);
});

test('numbers that are none, out of range or written as text are refused, and shown as they are', () => {
  const numbers = { 'upload.rateBytesPerS': 4294967295, 'upload.sessionBytes': Number.MAX_SAFE_INTEGER, 'upload.slots': 16, 'peers.max': 32, memoryBytes: 536870912 };
  for (const [option, max] of Object.entries(numbers)) {
    const given = (value) => option.split('.').reduceRight((inner, name) => ({ [name]: inner }), value);
    for (const fine of [0, 1, max]) checkOptions({ streamId: 'demo', ...given(fine) });
    for (const bad of [-1, 0.5, max + (max > 1e15 ? 2 : 1), NaN, Infinity, -Infinity, '1', '', null, true, [], {}, 10n, new Date(0)]) {
      const { message } = refused({ streamId: 'demo', ...given(bad) }, 'option-invalid', option);
      if (typeof bad === 'number') assert.ok(message.includes(`option ${option} is ${bad}; expected a whole number from 0 to ${max}`), message);
    }
  }
});

test('the core gets defaults, absolute URLs and the device, and nothing undefined', () => {
  const { core, wasmUrl } = coreOptions(ALL, { mobile: true });
  assert.equal(wasmUrl, ALL.wasmUrl);
  assert.equal(core.maxPeers, 8);
  assert.equal(core.consent, 'given');
  assert.deepEqual(core.platform, { mobile: true });
  for (const key of ['wasmUrl', 'debug', 'peers']) assert.ok(!(key in core), key);
  const least = coreOptions({ streamId: 'a', token: undefined }, {}).core;
  assert.deepEqual(least, { enableRarestFirst: true, cmafMode: 'advertise-only', streamId: 'a', consent: 'given', platform: {} });
});
