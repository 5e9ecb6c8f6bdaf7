// Whatever holds on to the browser, counted from inside by patched constructors and from outside by requests under way.
// A page that destroyed player and SDK must be left with no more of anything than a page of plain HLS.js.

import assert from 'node:assert/strict';
import { pause } from './viewers.mjs';

const LEAVING_MS = 1000; // the longest that closing may take
const STAYING_MS = 300; // what is closed must stay closed

/** In the page, before any of its scripts: `window.__handles()` tells how many of each kind are open. */
export function countsHandles() {
  const native = { add: EventTarget.prototype.addEventListener, remove: EventTarget.prototype.removeEventListener };
  const counts = {};
  const born = (name, made, isOpen) => {
    const Native = window[name];
    if (!Native) return;
    const all = new Set();
    window[name] = new Proxy(Native, {
      construct(target, args, as) {
        const one = Reflect.construct(target, args, as);
        made?.(one);
        all.add(one);
        return one;
      },
    });
    counts[name] = () => { for (const one of all) if (!isOpen(one)) all.delete(one); return all.size; };
  };
  /** Remembers what was closed by this method, for kinds that do not tell it themselves. */
  const closedBy = (prototype, method) => {
    const closed = new WeakSet();
    const original = prototype?.[method];
    if (original) prototype[method] = function (...args) { closed.add(this); return original.apply(this, args); };
    return closed;
  };

  const channels = new Set();
  const create = window.RTCPeerConnection?.prototype.createDataChannel;
  if (create) {
    RTCPeerConnection.prototype.createDataChannel = function (...args) {
      const channel = create.apply(this, args);
      channels.add(channel);
      return channel;
    };
  }
  counts.RTCDataChannel = () => { for (const c of channels) if (c.readyState === 'closed') channels.delete(c); return channels.size; };
  born('RTCPeerConnection', (pc) => native.add.call(pc, 'datachannel', ({ channel }) => channels.add(channel)), (pc) => pc.signalingState !== 'closed');
  born('webkitRTCPeerConnection', null, (pc) => pc.signalingState !== 'closed');
  born('WebSocket', null, (socket) => socket.readyState !== 3);
  born('EventSource', null, (source) => source.readyState !== 2);

  const closedPorts = closedBy(MessagePort.prototype, 'close');
  born('MessageChannel', null, ({ port1, port2 }) => !closedPorts.has(port1) && !closedPorts.has(port2));
  const closedBroadcasts = closedBy(window.BroadcastChannel?.prototype, 'close');
  born('BroadcastChannel', null, (channel) => !closedBroadcasts.has(channel));
  const ended = closedBy(window.Worker?.prototype, 'terminate');
  born('Worker', null, (worker) => !ended.has(worker));
  for (const name of ['MutationObserver', 'IntersectionObserver', 'ResizeObserver', 'PerformanceObserver']) {
    const disconnected = closedBy(window[name]?.prototype, 'disconnect');
    born(name, null, (observer) => !disconnected.has(observer));
  }

  const xhrs = new Set();
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = function (...args) {
    xhrs.add(this);
    native.add.call(this, 'loadend', () => xhrs.delete(this));
    return send.apply(this, args);
  };
  // One that is aborted while it tells of its end never comes to `loadend`; it is unsent again.
  counts.XMLHttpRequest = () => { for (const xhr of xhrs) if (!xhr.readyState) xhrs.delete(xhr); return xhrs.size; };

  let fetching = 0;
  const nativeFetch = window.fetch;
  window.fetch = function (...args) {
    fetching += 1;
    const answer = nativeFetch.apply(this, args);
    const over = () => { fetching -= 1; };
    answer.then(over, over);
    return answer;
  };
  counts.fetch = () => fetching;

  const waits = (pending, set, once) => {
    const original = window[set];
    window[set] = function (run, ...args) {
      const ring = typeof run !== 'function' ? run : function (...given) { if (once) pending.delete(id); return run.apply(this, given); };
      const id = original.call(window, ring, ...args);
      pending.set(id, { set, run: String(run).slice(0, 120) });
      return id;
    };
    const which = () => [...pending.values()].filter((one) => one.set === set).map(({ run }) => run);
    counts[set] = Object.assign(() => which().length, { which });
  };
  const cancels = (pending, clear) => {
    const original = window[clear];
    window[clear] = function (id) { pending.delete(Number(id)); original.call(window, id); };
  };
  const timers = new Map(); // either name clears both kinds
  waits(timers, 'setTimeout', true);
  waits(timers, 'setInterval', false);
  cancels(timers, 'clearTimeout');
  cancels(timers, 'clearInterval');
  for (const [set, clear] of [['requestAnimationFrame', 'cancelAnimationFrame'], ['requestIdleCallback', 'cancelIdleCallback']]) {
    const pending = new Map();
    waits(pending, set, true);
    cancels(pending, clear);
  }

  const listeners = new Map(); // target -> Map of "type capture" -> Set of listeners
  const watched = (target) => target === window || target === document || target === navigator.connection || target === window.visualViewport
    || target === navigator.serviceWorker || target instanceof HTMLMediaElement || (window.MediaQueryList && target instanceof MediaQueryList);
  const slot = (target, type, options) => {
    const all = listeners.get(target) ?? new Map();
    listeners.set(target, all);
    const key = `${type} ${!!(typeof options === 'object' && options ? options.capture : options)}`;
    if (!all.has(key)) all.set(key, new Set());
    return all.get(key);
  };
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    const target = this ?? window;
    if (listener && watched(target)) {
      const kept = slot(target, type, options);
      kept.add(listener);
      const over = () => kept.delete(listener);
      if (options?.once) native.add.call(target, type, over, { once: true });
      if (options?.signal) native.add.call(options.signal, 'abort', over);
    }
    return native.add.call(target, type, listener, options);
  };
  EventTarget.prototype.removeEventListener = function (type, listener, options) {
    const target = this ?? window;
    if (listener && watched(target)) slot(target, type, options).delete(listener);
    return native.remove.call(target, type, listener, options);
  };
  const eachListener = () => [...listeners.values()].flatMap((all) => [...all].flatMap(([key, set]) => [...set].map(() => key.split(' ')[0])));
  counts.listeners = () => eachListener().length;
  counts.listeners.which = eachListener;

  const urls = new Set();
  const { createObjectURL, revokeObjectURL } = URL;
  URL.createObjectURL = function (...args) { const url = createObjectURL.apply(URL, args); urls.add(url); return url; };
  URL.revokeObjectURL = function (url) { urls.delete(url); return revokeObjectURL.call(URL, url); };
  counts.objectURL = () => urls.size;

  const known = new Set(Reflect.ownKeys(window));
  const globals = () => Reflect.ownKeys(window).filter((key) => !known.has(key) && !String(key).startsWith('__')).map(String);
  counts.globals = () => globals().length;
  counts.globals.which = globals;

  window.__handles = () => Object.fromEntries(Object.entries(counts).map(([kind, count]) => [kind, { open: count(), which: count.which?.() ?? [] }]));
}

/** How many handles of each kind a viewer's page has open, its HTTP requests among them: `{kind: {open, which}}`. */
export async function openHandles(viewer) {
  const inPage = await viewer.page.evaluate(() => window.__handles?.() ?? null);
  assert.ok(inPage, `${viewer.name} was not opened with countsHandles`);
  const which = viewer.underWay();
  return { ...inPage, requests: { open: which.length, which } };
}

/**
 * Destroys player and SDK of all these viewers; within a second nothing may be open that plain HLS.js, one of them, has
 * not as well. All of them must have been opened with {@link countsHandles}.
 */
export async function nothingOpen(viewers) {
  const modes = await Promise.all(viewers.map((viewer) => viewer.page.evaluate(() => window.viewer.wish.mode)));
  const plain = viewers[modes.indexOf('plain')];
  assert.ok(plain, 'nothingOpen needs a viewer with plain HLS.js to compare with');
  const ours = viewers.filter((viewer) => viewer !== plain);
  await leave(plain);
  await pause(STAYING_MS);
  await Promise.all(ours.map(leave));
  const end = Date.now() + LEAVING_MS;
  let more = await leftOpen(plain, ours);
  while (more.length && Date.now() < end) {
    await pause(50);
    more = await leftOpen(plain, ours);
  }
  assert.deepEqual(more, [], `left open ${LEAVING_MS} ms after destroy: ${more.join('; ')}`);
  await pause(STAYING_MS);
  more = await leftOpen(plain, ours);
  assert.deepEqual(more, [], `opened after destroy: ${more.join('; ')}`);
}

function leave(viewer) {
  return viewer.page.evaluate(() => window.viewer.leave());
}

async function leftOpen(plain, ours) {
  const least = await openHandles(plain);
  const found = [];
  for (const viewer of ours) {
    for (const [kind, { open, which }] of Object.entries(await openHandles(viewer))) {
      const theirs = least[kind]?.open ?? 0;
      if (open > theirs) found.push(`${viewer.name}: ${open} ${kind}, plain HLS.js ${theirs}${which.length ? ` (${which.join(' | ')})` : ''}`);
    }
  }
  return found;
}
