// The demo page: N viewers in iframes, joining one after the other, and their totals.
//
// Query: `viewers` 2..8 · `hls` 1.5|1.6|1.7 · `mode` serve|advertise-only|off|plain · `gap` milliseconds between joins.
// Anything else in the query is handed on to each viewer.

import { bytes, duration, percent } from './words.js';

const query = new URLSearchParams(location.search);
const $ = (id) => document.getElementById(id);
const clamp = (n, low, high) => Math.min(high, Math.max(low, n));

const viewers = clamp(Number(query.get('viewers') ?? 4) || 4, 2, 8);
const gapMs = clamp(Number(query.get('gap') ?? 1500), 0, 10_000);
const cards = [];

/** What the demo's own check reads. */
window.grid = { reports: () => cards.map((card) => card.report()) };

const CHOICES = {
  viewers: { 2: '2', 3: '3', 4: '4', 6: '6', 8: '8' },
  hls: { 1.5: '1.5', 1.6: '1.6', 1.7: '1.7' },
  mode: { serve: 'serve: fragments as they are made', 'advertise-only': 'advertise-only', off: 'off: whole segments', plain: 'plain HLS.js, no mesh' },
};

function form() {
  const now = { viewers: String(viewers), hls: query.get('hls') ?? '1.7', mode: query.get('mode') ?? 'serve' };
  for (const [name, choices] of Object.entries(CHOICES)) {
    const select = $('wishes').elements[name];
    const shown = { [now[name]]: now[name], ...choices };
    for (const value of Object.keys(shown).sort(byPlaceIn(Object.keys(choices)))) select.add(new Option(shown[value], value, false, value === now[name]));
  }
  $('wishes').addEventListener('change', () => {
    for (const [name, value] of new FormData($('wishes'))) query.set(name, value);
    location.search = query;
  });
}

function byPlaceIn(order) {
  return (a, b) => order.indexOf(a) - order.indexOf(b);
}

function build() {
  $('count').textContent = viewers;
  $('grid').classList.toggle('few', viewers === 2);
  for (let i = 0; i < viewers; i += 1) {
    cards.push(new Card(i));
    setTimeout(() => cards[i].join(), i * gapMs);
  }
}

/** One viewer's place in the grid; the viewer itself lives in an iframe and can leave and join again. */
class Card {
  #index;
  #box = document.createElement('article');
  #frame = null;
  #kept = { fromPeers: 0, fromHttp: 0 }; // of sessions that ended

  constructor(index) {
    this.#index = index;
    this.#box.className = 'card';
    this.#draw('joins in a moment');
    $('grid').append(this.#box);
  }

  join() {
    const mine = new URLSearchParams(query);
    mine.delete('viewers');
    mine.set('name', `viewer-${this.#index + 1}`);
    this.#frame = document.createElement('iframe');
    this.#frame.title = `Viewer ${this.#index + 1}`;
    this.#frame.allow = 'autoplay';
    this.#frame.src = `viewer.html?${mine}`;
    this.#box.replaceChildren(this.#frame, this.#button('Leave', () => this.leave()));
  }

  leave() {
    const last = this.report();
    if (last) for (const key of Object.keys(this.#kept)) this.#kept[key] += last[key];
    this.#frame = null;
    this.#draw('has left');
  }

  /** The viewer's report, or null while it is away. */
  report() { return this.#frame?.contentWindow?.viewer?.report() ?? null; }

  /** Bytes of this place in all its sessions. */
  moved() {
    const now = this.report();
    return { fromPeers: this.#kept.fromPeers + (now?.fromPeers ?? 0), fromHttp: this.#kept.fromHttp + (now?.fromHttp ?? 0) };
  }

  #draw(text) {
    const empty = document.createElement('div');
    empty.className = 'empty';
    empty.textContent = `Viewer ${this.#index + 1} ${text}`;
    this.#box.replaceChildren(empty, this.#button('Join', () => this.join()));
  }

  #button(text, act) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.addEventListener('click', act);
    return button;
  }
}

const history = [];
let before = null;

function totals() {
  const sum = { fromPeers: 0, fromHttp: 0 };
  for (const card of cards) {
    const { fromPeers, fromHttp } = card.moved();
    sum.fromPeers += fromPeers;
    sum.fromHttp += fromHttp;
  }
  const there = cards.map((card) => card.report()).filter(Boolean);
  gauge(sum);
  $('sum-peers').textContent = bytes(sum.fromPeers);
  $('sum-http').textContent = bytes(sum.fromHttp);
  $('sum-playing').textContent = `${there.filter((r) => r.state === 'playing').length} of ${viewers}`;
  const stalls = there.reduce((n, r) => n + r.stalls.count, 0);
  $('sum-stalls').textContent = stalls;
  $('sum-stalls').className = stalls ? 'bad' : '';
  const startups = there.map((r) => r.startupMs).filter((ms) => ms !== null).sort((a, b) => a - b);
  $('sum-startup').textContent = startups.length ? `${(startups[startups.length >> 1] / 1000).toFixed(2)} s` : '–';
  $('sum-time').textContent = duration(performance.now() / 1000);
  chart(sum);
}

function gauge({ fromPeers, fromHttp }) {
  const all = fromPeers + fromHttp;
  const share = all ? fromPeers / all : 0;
  $('gauge-text').textContent = all ? percent(share) : '–';
  $('gauge-fill').setAttribute('stroke-dasharray', `${100 * share} 100`);
  $('gauge-fill').classList.toggle('none', share === 0);
}

// Segments come in bursts, so each point is the mean of the four seconds before it.
const SMOOTH = 4;

function chart(sum) {
  const second = Math.floor(performance.now() / 1000);
  if (before?.second === second) return;
  if (before) history.push({ peers: Math.max(0, sum.fromPeers - before.fromPeers), http: Math.max(0, sum.fromHttp - before.fromHttp) });
  before = { second, ...sum };
  if (history.length > 90 + SMOOTH) history.shift();
  const points = history.map((_, i) => mean(history.slice(Math.max(0, i - SMOOTH + 1), i + 1))).slice(-90);
  const top = Math.max(1, ...points.map((p) => p.peers + p.http));
  const area = (height) => {
    if (points.length < 2) return '';
    const from = 90 - points.length;
    const line = points.map((p, i) => `${(from + i + 1).toFixed(1)} ${(100 - (96 * height(p)) / top).toFixed(2)}`);
    return `M ${from + 1} 100 L ${line.join(' L ')} L 90 100 Z`;
  };
  document.querySelector('.peers-area').setAttribute('d', area((p) => p.peers));
  document.querySelector('.http-area').setAttribute('d', area((p) => p.peers + p.http));
  $('history-top').textContent = `top ${bytes(Math.round(top))}/s`;
}

function mean(seconds) {
  const total = seconds.reduce((a, s) => ({ peers: a.peers + s.peers, http: a.http + s.http }), { peers: 0, http: 0 });
  return { peers: total.peers / seconds.length, http: total.http / seconds.length };
}

form();
build();
setInterval(totals, 500);
