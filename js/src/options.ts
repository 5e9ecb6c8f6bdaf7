/** What a page may say, how it is checked, and what the core gets of it. */
import { MeshedFlowError } from './errors.js';
import type { CoreOptions } from './mesh-port.js';
import { parse } from './url.js';

/** Whether fragments of segments are exchanged (`serve`), only announced, or neither. */
export type CmafMode = 'off' | 'advertise-only' | 'serve';

/** `'required'`: no peer-to-peer before `consent(true)`. A function is asked once, when the player first loads media. */
export type Consent = 'given' | 'required' | (() => boolean | Promise<boolean>);

/** Limits of what this viewer sends to others. */
export interface UploadOptions {
  /** Bytes per second. */
  rateBytesPerS?: number;
  /** Bytes in one session. */
  sessionBytes?: number;
  /** Requests served at once, 0 to 16. */
  slots?: number;
}

/** Neighbours. */
export interface PeerOptions {
  /** At most so many at a time; with 0 no edge and no peer is contacted. Default 12, on phones 8. */
  max?: number;
}

/** Options of {@link createMeshedFlow}, `MeshedFlowLoader` and the short forms. */
export interface MeshedFlowOptions {
  /** Name of the stream: who gives the same name, watches the same. 1 to 128 of `[A-Za-z0-9._~/-]`. */
  streamId: string;
  /** WebSocket URL of the edge (`wss:`; `ws:` on loopback or with `allowInsecure`). Without it there are no peers. */
  signalingUrl?: string;
  /** Directory of the multivariant playlist, ending in `/`. */
  originBaseUrl?: string;
  /** A label for this viewer in reports; not its identity, which the edge gives. */
  peerId?: string;
  /** URL of the remote policy. While it is set and unread, no peer is contacted. */
  remoteConfigUrl?: string;
  /** Fetch what few neighbours have first, beyond the urgent horizon. Default true. */
  enableRarestFirst?: boolean;
  /** Default `'advertise-only'`. */
  cmafMode?: CmafMode;
  /** Pinned Ed25519 keys that sign this stream's lists: the `x` member of a JWK. Key sets then name no others. */
  trustedKeys?: string[];
  /** Pinned Ed25519 key that signs key sets; one that it did not sign counts for nothing. */
  rootKey?: string;
  /** Origins besides the playlist's own whose key set counts, for every playlist. */
  trustedKeyOrigins?: string[];
  /** Lists, keys and signaling without TLS, for laboratories. Loopback needs no permission. */
  allowInsecure?: boolean;
  /** Join token, handed to the edge. */
  token?: string;
  /** Default `'given'`. */
  consent?: Consent;
  upload?: UploadOptions;
  peers?: PeerOptions;
  /** Reach peers through TURN relays only, so that they never learn this viewer's address. */
  relayOnly?: boolean;
  /** Memory for segments kept for others, bytes. */
  memoryBytes?: number;
  /** Hosts besides the edge's own whose STUN and TURN servers an edge may name. */
  iceServerHosts?: string[];
  /** Where `meshedflow_bg.wasm` is, or the module itself, if not beside the SDK. */
  wasmUrl?: CoreOptions['wasmUrl'];
  /** One readable console line per segment. */
  debug?: boolean;
}

type Check = (value: unknown, options: MeshedFlowOptions) => boolean;
type Rule = [expected: string, check: Check];

const NAME = /^[A-Za-z0-9._~/-]{1,128}$/;
const KEY = /^[A-Za-z0-9_-]{43}$/;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

const isName: Check = (v) => typeof v === 'string' && NAME.test(v);
const isKey: Check = (v) => typeof v === 'string' && KEY.test(v);
const isFlag: Check = (v) => typeof v === 'boolean';
const isWhole =
  (min: number, max: number): Check =>
  (v) =>
    typeof v === 'number' && v >= min && v <= max && v % 1 === 0;
const isOneOf =
  (...words: string[]): Check =>
  (v) =>
    words.indexOf(v as string) >= 0;
const isList =
  (max: number, each: Check): Check =>
  (v, o) =>
    Array.isArray(v) && v.length <= max && v.every((x) => each(x, o));

/** `secure` is the scheme with TLS; without it only loopback, unless the page allows more. */
const isUrl =
  (secure: string, plain: string): Check =>
  (v, o) => {
    const url = parse(v);
    if (!url) return false;
    return url.protocol === secure || (url.protocol === plain && (!!o.allowInsecure || LOOPBACK.test(url.hostname)));
  };

const isOrigin: Check = (v) => {
  const url = parse(v);
  return !!url && /^https?:$/.test(url.protocol) && (url.origin === v || `${url.origin}/` === v);
};

const NAME_RULE: Rule = ['1 to 128 characters of [A-Za-z0-9._~/-]', isName];
const FLAG_RULE: Rule = ['true or false', isFlag];
const KEY_RULE = 'an Ed25519 public key as base64url without padding (43 characters, the "x" of its JWK)';
const whole = (min: number, max: number): Rule => [`a whole number from ${min} to ${max}`, isWhole(min, max)];

const UPLOAD: Record<keyof UploadOptions, Rule> = {
  rateBytesPerS: whole(0, 4294967295),
  sessionBytes: whole(0, Number.MAX_SAFE_INTEGER),
  slots: whole(0, 16),
};

const PEERS: Record<keyof PeerOptions, Rule> = { max: whole(0, 32) };

const RULES: Record<keyof MeshedFlowOptions, Rule | Record<string, Rule>> = {
  streamId: NAME_RULE,
  signalingUrl: ['a wss: URL (ws: on loopback or with allowInsecure)', isUrl('wss:', 'ws:')],
  originBaseUrl: ['an http: or https: URL', (v) => /^https?:$/.test(parse(v)?.protocol ?? '')],
  peerId: NAME_RULE,
  remoteConfigUrl: ['an https: URL (http: on loopback or with allowInsecure)', isUrl('https:', 'http:')],
  enableRarestFirst: FLAG_RULE,
  cmafMode: ["'off', 'advertise-only' or 'serve'", isOneOf('off', 'advertise-only', 'serve')],
  trustedKeys: [`up to 32 times ${KEY_RULE}`, isList(32, isKey)],
  rootKey: [KEY_RULE, isKey],
  trustedKeyOrigins: ['up to 32 origins, such as https://cdn.example', isList(32, isOrigin)],
  allowInsecure: FLAG_RULE,
  token: ['a string of 1 to 8192 characters', (v) => typeof v === 'string' && !!v && v.length <= 8192],
  consent: [
    "'given', 'required' or a function",
    (v) => typeof v === 'function' || v === 'given' || v === 'required',
  ],
  upload: UPLOAD,
  peers: PEERS,
  relayOnly: FLAG_RULE,
  memoryBytes: whole(0, 536870912),
  iceServerHosts: ['up to 32 host names', isList(32, (v) => typeof v === 'string' && /^[^\s/:]+$/.test(v))],
  wasmUrl: ['a URL, Response, bytes or WebAssembly.Module', (v) => (typeof v === 'object' && !!v) || !!parse(v)],
  debug: FLAG_RULE,
};

/** Checks all options at once; the first fault throws, naming the option, its value and what was expected. */
export function checkOptions(options: unknown): MeshedFlowOptions {
  if (!options || typeof options !== 'object') throw missing('options', 'an object with at least { streamId }');
  const given = options as MeshedFlowOptions;
  checkRecord('', given, given, RULES);
  if (given.streamId === undefined) throw missing('streamId', NAME_RULE[0]);
  return given;
}

function checkRecord(path: string, value: object, options: MeshedFlowOptions, rules: Record<string, Rule | Record<string, Rule>>): void {
  for (const [key, entry] of Object.entries(value)) {
    const option = path + key;
    const rule = Object.prototype.hasOwnProperty.call(rules, key) ? rules[key] : undefined;
    if (!rule) throw unknownOption(option, entry, Object.keys(rules));
    if (entry === undefined) continue;
    if (Array.isArray(rule)) {
      if (!rule[1](entry, options)) throw invalid(option, entry, rule[0]);
    } else if (typeof entry !== 'object' || !entry || Array.isArray(entry)) {
      throw invalid(option, entry, `an object with any of ${Object.keys(rule).join(', ')}`);
    } else {
      checkRecord(`${option}.`, entry, options, rule);
    }
  }
}

function missing(option: string, expected: string): MeshedFlowError {
  return new MeshedFlowError('option-missing', `option ${option} is missing; expected ${expected}`, { option, expected });
}

function unknownOption(option: string, value: unknown, known: string[]): MeshedFlowError {
  const expected = `one of ${known.join(', ')}`;
  const name = option.split('.').pop() as string;
  const [near] = known.filter((each) => distance(each.toLowerCase(), name.toLowerCase()) <= each.length / 3);
  const hint = near ? `did you mean ${option.slice(0, -name.length)}${near}? Expected ${expected}` : `expected ${expected}`;
  return new MeshedFlowError('option-unknown', `there is no option ${option}; ${hint}`, { option, value, expected });
}

/** Letters to add, drop or change to make one word the other. */
function distance(a: string, b: string): number {
  let row = Array.from(b + ' ', (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const above = row;
    row = [i + 1];
    for (let j = 0; j < b.length; j++) {
      row.push(Math.min((row[j] as number) + 1, (above[j + 1] as number) + 1, (above[j] as number) + (a[i] === b[j] ? 0 : 1)));
    }
  }
  return row[b.length] as number;
}

function invalid(option: string, value: unknown, expected: string): MeshedFlowError {
  // A join token is a secret: errors end up in logs.
  const secret = option === 'token';
  const message = `option ${option} is ${secret ? '(hidden)' : show(value)}; expected ${expected}`;
  return new MeshedFlowError('option-invalid', message, { option, value: secret ? undefined : value, expected });
}

function show(value: unknown): string {
  try {
    // Of NaN and infinities JSON makes null.
    const text = typeof value === 'function' ? 'a function' : typeof value === 'number' ? `${value}` : JSON.stringify(value);
    return text === undefined ? String(value) : text.slice(0, 120);
  } catch {
    return typeof value;
  }
}

/** The stream is in the key as it is; the others reach neither the core nor anyone outside. */
const APART = /^(streamId|wasmUrl|debug)$/;
/** Said by leaving the option out. */
const DEFAULTS: Partial<MeshedFlowOptions> = {
  enableRarestFirst: true,
  cmafMode: 'advertise-only',
  allowInsecure: false,
  consent: 'given',
  relayOnly: false,
};
/** Names of consent functions: each is asked for the mesh it was given for, and for no other. */
const asked = new WeakMap<object, number>();

/**
 * What identifies a mesh on a page: players whose options are the same share one. Every option counts, but for those that
 * reach neither the core nor anyone outside, so that no player gets less privacy or looser limits than it asked for. A
 * page's globals hold no secret: of what may contain one there is a digest.
 */
export function keyOf(o: MeshedFlowOptions): string {
  const names = (Object.keys(RULES) as Array<keyof MeshedFlowOptions>).filter((name) => !APART.test(name));
  const words = names.map((name) => (o[name] === DEFAULTS[name] ? null : canonical(o[name])));
  return `meshedflow:1:${o.streamId}:${digest(JSON.stringify(words))}`;
}

/** Lists in any order, and sections without what they leave out. */
function canonical(value: unknown): unknown {
  if (typeof value === 'function') {
    asked.set(value, asked.get(value) ?? Math.random());
    return asked.get(value);
  }
  if (typeof value !== 'object' || !value) return value;
  const given = Array.isArray(value) ? [...value].sort() : Object.entries(value).filter(([, v]) => v !== undefined).sort();
  return given.length ? given : null;
}

/** 64 bits of a text, as a name. */
function digest(text: string): string {
  let a = 1;
  let b = 2;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c ^ (b >>> 15), 2654435761);
    b = Math.imul(b ^ c ^ (a >>> 13), 1597334677);
  }
  return `${a >>> 0}.${b >>> 0}`;
}
