/**
 * The owner of all that a mesh has in the browser: connections, socket, timer, requests, buffers.
 *
 * The core (in wasm) asks by calling the methods of {@link Host}, one for each kind of its Outputs, and names things by
 * number. Since they live here, they can be closed with the core or without it: the first trap or panic ends every core
 * of the module, closes everything, and lets open loads finish over HTTP.
 *
 * Nothing that the core asks calls out to the player at once. What sessions and listeners are to hear is queued, and
 * told when no call into the core is on, so a player may do there what it likes.
 */
import type { MeshHandle } from 'meshedflow-wasm';
import { Blobs } from './blobs.js';
import { Failure, HttpClient, Purpose } from './host-http.js';
import type { HttpEvents } from './host-http.js';
import { PeerEvent, Peers, hasWebRtc, quietly } from './host-rtc.js';
import { EdgeSocket } from './host-socket.js';
import { Tasks, WakeTimer } from './host-timer.js';
import type { HttpFault, LoadSink, MeshRequest, RequestRecipe } from './mesh-port.js';

interface OpenLoad {
  request: MeshRequest;
  recipe: RequestRecipe;
  sink: LoadSink;
}

interface Get {
  blob: number;
  url: string;
  range: [number, number] | undefined;
  lane: number;
  /** The load it was made for, and its number in the playlist; others may have joined it. */
  load: number;
  msn: number | undefined;
  /** As the response said; status 0 before. */
  head: { status: number; url: string; details: unknown };
  /** Length of the body, where the response told it for sure. */
  total: number | null;
  loaded: number;
  /** Bytes told, to each load that waits for this body. */
  told: Map<LoadSink, number>;
}

/** Failures kept until the core says which load they decided. */
const FAULTS = 32;
const STATS_EVERY_MS = 5000;
/** News of a peer wait so long for what the browser tells of its path. */
const PATH_WITHIN_MS = 1000;
const EMPTY = new Uint8Array(0);

/** Every host whose core is alive; a trap ends them all, since they share one module. */
const hosts = new Set<Host>();
let panic = '';
let dead = '';

/** Why no core can be started any more: the module trapped, and is as the trap left it. */
export function deadModule(): string {
  return dead;
}

export class Host implements HttpEvents {
  readonly loads = new Map<number, OpenLoad>();
  readonly blobs = new Blobs();
  /** How the page last asked in a lane: the core's own requests there are made the same way. */
  readonly recipes = new Map<number, RequestRecipe>();
  private core: MeshHandle | null = null;
  /** The last of the news of peers. */
  private news: Promise<void> = Promise.resolve();
  private depth = 0;
  private lastStats = 'null';
  private statsAt = 0;
  private readonly jobs: Array<() => void> = [];
  private flushing = false;
  private wanted = false;
  /** The message or chunk that is being delivered. */
  private bytes: Uint8Array = EMPTY;
  private readonly gets = new Map<number, Get>();
  private readonly faults = new Map<number, HttpFault>();
  private readonly client = new HttpClient(this);
  private readonly timer = new WakeTimer(() => {
    this.enter((core, now) => core.wake(now));
    this.keepStats();
  });
  private readonly tasks = new Tasks(() => this.task());
  private readonly socket = new EdgeSocket((event, text) => this.enter((core, now) => core.signal(event, text, now)));
  private readonly peers = new Peers({
    event: (conn: number, event: PeerEvent, text: string) => this.enter((core, now) => core.peerEvent(conn, event, text, now)),
    frames: (conn: number, frames: Uint8Array) => this.enter((core, now) => core.peerFrames(conn, frames, now)),
    data: (conn: number, message: Uint8Array) =>
      this.enter((core, now) => this.holding(message, () => core.peerData(conn, message.length, now))),
  });

  constructor(private readonly tell: (name: string, detail: unknown) => void) {}

  get alive(): boolean {
    return !!this.core;
  }

  /** From now on events go to this core. */
  begin(core: MeshHandle): void {
    this.core = core;
    hosts.add(this);
    // A first look at the clock, by itself.
    this.soon();
  }

  /**
   * The one way into the core. `fromPage`: the caller is the player, who hears of nothing before its call has returned.
   */
  enter(call: (core: MeshHandle, now: number) => void, fromPage = false): void {
    const { core } = this;
    if (!core) return;
    this.depth++;
    try {
      call(core, performance.now());
    } catch (error) {
      // Only a trap, an exhausted stack or memory, or a fault of this file gets here: no state can be trusted.
      die(error);
    }
    if (--this.depth) return;
    if (!fromPage) this.flush();
    else if (this.jobs.length) this.tasks.soon();
  }

  /** The core's counters now; the last ones known if it died. */
  stats(): unknown {
    this.enter((core) => (this.lastStats = core.stats()), true);
    return JSON.parse(this.lastStats);
  }

  /** A core that traps cannot be asked any more, so it is asked now and then. */
  private keepStats(): void {
    const now = performance.now();
    if (now - this.statsAt < STATS_EVERY_MS) return;
    this.statsAt = now;
    this.stats();
  }

  /** Runs later, outside of any call into the core. */
  later(job: () => void): void {
    this.jobs.push(job);
  }

  /** As {@link close}, for a core that cannot be asked anything any more; listeners hear of it first. */
  died(text: string): void {
    this.later(() => this.tell('dead', { text }));
    this.close('core-dead');
  }

  /** Closes everything; open loads go on without the core. Returns the core, which may still be freed unless it trapped. */
  close(reason = 'core-closed'): MeshHandle | null {
    const { core } = this;
    this.core = null;
    hosts.delete(this);
    // What a page or blocker put in a browser object's place may throw; the rest closes all the same.
    for (const part of [this.client, this.socket, this.timer, this.tasks]) quietly(() => part.close());
    this.peers.closeAll();
    this.blobs.clear();
    this.recipes.clear();
    this.gets.clear();
    this.faults.clear();
    // What was queued is told still: a body that is complete is not fetched again.
    Promise.resolve().then(() => this.flush());
    this.loads.forEach(({ sink }) => this.later(() => sink.dead(reason)));
    this.loads.clear();
    return core;
  }

  // ---- what the core asks: loads. A core that was closed from inside a call of its own may still ask; it gets nothing.

  progress(load: number, verified: number, total: number): void {
    const open = this.loads.get(load);
    if (open) this.later(() => open.sink.progress(verified, total < 0 ? null : total));
  }

  loaded(load: number, parts: Uint32Array, fromPeers: number, fromHttp: number, bps: number, reportTtfbMs: number, reason: string): void {
    const open = this.loads.get(load);
    if (!open) return;
    this.loads.delete(load);
    const body = this.blobs.join(parts);
    const report = { fromPeers, fromHttp, reportBps: bps < 0 ? null : bps, reportTtfbMs, reason };
    this.later(() => (body ? open.sink.loaded(body, report) : open.sink.dead('lost-bytes')));
  }

  loadFailed(load: number, http: number): void {
    const open = this.loads.get(load);
    if (!open) return;
    this.loads.delete(load);
    const fault = this.faults.get(http);
    this.later(() => (fault ? open.sink.failed(fault) : open.sink.dead('unknown-fault')));
  }

  due(load: number, at: number, reason: string): void {
    const open = this.loads.get(load);
    if (open) this.later(() => open.sink.due(at < 0 ? null : at, reason));
  }

  // ---- what the core asks: requests and buffers

  get(http: number, url: string, first: number, end: number, purpose: number, lane: number, load: number, blob: number): void {
    if (!this.core) return;
    const open = this.loads.get(load);
    const media = purpose <= Purpose.Rescue;
    const recipe = media ? (open?.recipe ?? this.recipes.get(lane)) : undefined;
    const range: [number, number] | undefined = first < 0 ? undefined : [first, end];
    this.gets.set(http, { blob, url, range, lane, load, msn: open?.request.msn, head: { status: 0, url, details: null }, total: null, loaded: 0, told: new Map() });
    if (blob >= 0) this.blobs.open(blob);
    if (media && !recipe) this.later(() => this.end(http, Failure.Network, null));
    else this.client.get({ http, url, range, recipe, chunks: blob >= 0, limited: !open, streamed: this.peers.size > 0 });
  }

  abortGet(http: number): void {
    const blob = this.gets.get(http)?.blob ?? -1;
    if (blob >= 0) this.blobs.seal(blob);
    this.gets.delete(http);
    this.client.abort(http);
  }

  newBlob(blob: number, size: number): void {
    if (this.core) this.blobs.make(blob, size);
  }

  freeBlob(blob: number): void {
    this.blobs.free(blob);
  }

  /** `room` is a view of the core's memory. */
  fill(room: Uint8Array, from: number): void {
    const { bytes } = this;
    room.set(from || bytes.length > room.length ? bytes.subarray(from, from + room.length) : bytes);
  }

  blobPut(blob: number, at: number, from: number, length: number): void {
    this.blobs.put(blob, at, this.bytes.subarray(from, from + length));
  }

  blobRead(room: Uint8Array, blob: number, at: number): boolean {
    return this.blobs.read(blob, at, room.length, room);
  }

  // ---- what the core asks: edge and peers

  connect(url: string): void {
    if (!this.core) return;
    // Who can reach no peer has no business at the edge. (No URL would do in old browsers; new ones connect to the page.)
    if (hasWebRtc()) this.socket.connect(url);
    else this.socket.refuse();
  }

  say(text: string): void {
    this.socket.say(text);
  }

  disconnect(): void {
    this.socket.close();
  }

  peerOpen(conn: number, iceServers: string, relayOnly: boolean): void {
    if (!this.core) return;
    try {
      this.peers.open(conn, JSON.parse(iceServers) as RTCIceServer[], relayOnly);
    } catch {
      // A browser without WebRTC, or one that refuses these servers.
      this.later(() => this.enter((core, now) => core.peerEvent(conn, PeerEvent.Closed, '', now)));
    }
  }

  peerOffer(conn: number): void {
    this.peers.offer(conn);
  }

  peerAnswer(conn: number, offer: string): void {
    this.peers.answer(conn, offer);
  }

  peerAccept(conn: number, answer: string): void {
    this.peers.accept(conn, answer);
  }

  peerCandidate(conn: number, line: string): void {
    this.peers.candidate(conn, line);
  }

  /** `frames` is a view of the core's memory; `send` copies it. */
  peerSend(conn: number, onData: boolean, frames: Uint8Array): void {
    this.peers.send(conn, onData, frames);
    if (onData) this.tasks.soon();
  }

  peerSendMedia(conn: number, head: Uint8Array, blob: number, at: number, length: number): void {
    this.peers.sendMedia(conn, head, length, (room) => this.blobs.read(blob, at, length, room));
    this.tasks.soon();
  }

  peerLowMark(conn: number, bytes: number): void {
    this.peers.lowMark(conn, bytes);
  }

  peerClose(conn: number): void {
    this.peers.close(conn);
  }

  // ---- what the core asks: the rest

  event(name: string, detail: string): void {
    const { conn, load, ...facts } = JSON.parse(detail) as { conn?: number; load?: number; reason: string };
    if (name === 'fallback') {
      const open = this.loads.get(load as number);
      if (open) this.later(() => open.sink.fellBack(facts.reason));
      return;
    }
    if (conn === undefined) return this.later(() => this.tell(name, facts));
    const path = within(PATH_WITHIN_MS, this.peers.path(conn));
    // One after the other: who went had come before.
    const next = async () => {
      const transport = await path;
      this.tell(name, transport ? { ...facts, transport } : facts);
    };
    this.news = this.news.then(next, next);
  }

  arm(at: number): void {
    if (this.core) this.timer.arm(at);
  }

  soon(): void {
    this.wanted = true;
    this.tasks.soon();
  }

  panicked(text: string): void {
    panic = text;
  }

  // ---- what happens to requests

  head(http: number, status: number, length: number | null, exact: boolean, finalUrl: string, details: unknown): void {
    const get = this.gets.get(http);
    if (!get) return;
    if (length !== null && get.blob >= 0) this.blobs.reserve(get.blob, length);
    if (exact) get.total = length;
    get.head = { status, url: finalUrl, details };
    this.count(get, 0);
    this.enter((core, now) => core.httpHead(http, status, exact && length !== null ? length : -1, now));
  }

  chunk(http: number, bytes: Uint8Array): boolean {
    const get = this.gets.get(http);
    const at = get ? this.blobs.append(get.blob, bytes) : -1;
    if (!get || at < 0) return false;
    this.count(get, at + bytes.length);
    this.enter((core, now) => this.holding(bytes, () => core.httpChunk(http, at, bytes.length, now)));
    return true;
  }

  loading(http: number, loaded: number, total: number | null): void {
    const get = this.gets.get(http);
    if (!get) return;
    get.total = total;
    this.count(get, loaded);
    this.flush();
  }

  whole(http: number, bytes: Uint8Array): void {
    const get = this.gets.get(http);
    if (!get || !bytes.length) return;
    this.blobs.adopt(get.blob, bytes);
    this.enter((core, now) => this.holding(bytes, () => core.httpChunk(http, 0, bytes.length, now)));
  }

  body(http: number, bytes: Uint8Array): void {
    this.gets.delete(http);
    this.enter((core, now) => core.httpBody(http, bytes, now));
  }

  end(http: number, failure: number, fault: HttpFault | null): void {
    const get = this.gets.get(http);
    if (!get) return;
    this.gets.delete(http);
    const length = get.blob >= 0 ? this.blobs.seal(get.blob) : 0;
    if (fault) this.keep(http, fault);
    this.enter((core, now) => core.httpEnd(http, length, failure, now));
  }

  private keep(http: number, fault: HttpFault): void {
    this.faults.set(http, fault);
    // The oldest goes: insertion order is the order of a Map.
    if (this.faults.size > FAULTS) this.faults.delete(this.faults.keys().next().value as number);
  }

  /** Tells head and bytes to every load that waits for this body: the core fetches a segment once for all of them. */
  private count(get: Get, loaded: number): void {
    const { head, told, total } = get;
    get.loaded = Math.max(get.loaded, loaded);
    this.loads.forEach(({ request, sink }, id) => {
      const whole = String(request.range) === String(get.range);
      if (id !== get.load && !(whole && joins(request, get))) return;
      if (!told.has(sink)) this.later(() => sink.httpHead(head.status, head.url, head.details));
      const more = get.loaded - (told.get(sink) || 0);
      told.set(sink, get.loaded);
      if (more > 0) this.later(() => sink.httpBytes(more, whole ? total : null));
    });
  }

  private holding(bytes: Uint8Array, call: () => void): void {
    this.bytes = bytes;
    call();
    this.bytes = EMPTY;
  }

  // ---- queue and tasks

  /**
   * Tells all that is queued. A job may enter the core and queue more; that is told in its turn. What the page throws is
   * the page's: it is thrown in a task of its own, where it cannot be taken for a fault of the request that led here.
   */
  private flush(): void {
    if (this.flushing) return;
    this.flushing = true;
    for (let job = this.jobs.shift(); job; job = this.jobs.shift()) {
      try {
        job();
      } catch (error) {
        setTimeout(() => {
          throw error;
        });
      }
    }
    this.flushing = false;
  }

  private task(): void {
    this.flush();
    this.peers.settle();
    if (!this.wanted) return;
    this.wanted = false;
    this.enter((core, now) => core.wake(now));
  }
}

/** What is promised, or nothing if it fails or does not come in time. */
function within<T>(ms: number, promised: Promise<T>): Promise<T | undefined> {
  return new Promise((done) => {
    const nothing = () => done(undefined);
    const late = setTimeout(nothing, ms);
    promised.then(done, nothing).then(() => clearTimeout(late));
  });
}

/** True for a load of the very segment that this GET brings. */
function joins(request: MeshRequest, { lane, msn, range, url }: Get): boolean {
  const path = (of: string) => of.replace(/[?#].*/, '');
  if (msn !== undefined && msn !== request.msn) return false;
  // Of many segments in one file each is a range of its own.
  const [from, to] = request.range ?? [0, Infinity];
  if (range ? range[0] < from || range[1] > to : request.range) return false;
  return path(request.url) === path(url) && request.lane === lane && request.kind === 'media' && !request.httpOnly;
}

function die(error: unknown): void {
  if (!hosts.size) return;
  const why = panic || (error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  dead = why;
  const text = `the mesh failed, plain HTTP from here on: ${why}`;
  [...hosts].forEach((host) => host.died(text));
  console.error(`MeshedFlow: ${text} [core-dead]`);
}
