/**
 * One request of HLS.js, from `load()` to its one terminal callback. Nothing else calls HLS.js's callbacks.
 *
 * - *plain*: no live core when the load began. HLS.js's own loader does the work and mutates the very statistics object
 *   the player holds, so the behaviour is plain HLS.js's by construction; the finished body is offered to the mesh.
 *   Such a load never switches.
 * - *mesh*: the core answers for the load until its due time, which it renews with every decision or verified byte.
 * - *takeover*: the core died, or was silent 250 ms past the due time. One clean GET; peer bytes are dropped.
 * - *ended*: the terminal callback was called, or the player destroyed the loader. Nothing happens any more.
 */
import { isFragment } from './hls-types.js';
import type { FetchSetup, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats, PlayerConfig, XhrSetup } from './hls-types.js';
import { newStats, tellAtRate, tellFirst, tellMeasured, tellProgress } from './load-stats.js';
import type { HttpFault, LoadReport, LoadSink, MeshPort, RequestRecipe } from './mesh-port.js';
import { firstTimeout } from './plain-loader.js';
import type { Described } from './request.js';

export type LoadState = 'plain' | 'mesh' | 'takeover' | 'ended';

/** How a load ended well. */
export interface Outcome {
  context: LoaderContext;
  way: 'plain' | 'mesh' | 'takeover';
  bytes: number;
  fromPeers: number;
  fromHttp: number;
  ms: number;
  reason: string;
}

/** What a session asks of the page's core. */
export interface SessionHome {
  /** The live core, if there is one. */
  readonly port: MeshPort | null;
  /** HLS.js's own way to load, for this player. */
  httpLoader(player: PlayerConfig | undefined): Loader;
  describe(context: LoaderContext, player: PlayerConfig | undefined): Described | undefined;
  /** The player asked for media: from the first time on, a core may be started. */
  asked(): void;
  /** A body came over HTTP outside the core; called before HLS.js gets (and detaches) it. */
  offer(described: Described, body: ArrayBuffer): void;
  /** Bandwidth an attached player estimates, bit/s. */
  estimate(player: PlayerConfig | undefined): number | undefined;
  ended(outcome: Outcome): void;
  /** A load left the mesh. */
  fellBack(reason: string): void;
}

/** A core is taken over when it is silent for so long past its due time. */
const GRACE_MS = 250;
/** A core that says nothing at all about a new load is due by then. */
const FIRST_WORD_MS = 250;
/** How often the statistics of a takeover's GET are copied; HLS.js looks every 100 ms. */
const MIRROR_MS = 50;
const NO_TIMEOUT_MS = 0x7fffffff;
/** No load of ours is open in the core. */
const NONE = -1;

export class LoadSession implements LoadSink {
  readonly stats: LoaderStats;
  context: LoaderContext | null = null;
  state: LoadState | undefined;
  private http: Loader | null;
  private readonly recipe: Pick<RequestRecipe, 'fetchSetup' | 'xhrSetup'> | undefined;
  private config: LoaderConfiguration | null = null;
  private callbacks: LoaderCallbacks | null = null;
  private described: Described | undefined;
  private port: MeshPort | null = null;
  private id = NONE;
  private details: unknown = null;
  private head = { status: 0, url: '' };
  private fromHttp = 0;
  private verified = 0;
  /** When HTTP began to answer for the load; 0 while peers do. */
  private httpSince = 0;
  private dueAt = 0;
  private heardAt = 0;
  /** When a timer was found to be late. */
  private resumedAt = 0;
  private reason = 'plain';
  private limitTimer = 0;
  private dueTimer = 0;
  private mirrorTimer = 0;

  constructor(
    private readonly home: SessionHome,
    private readonly player?: PlayerConfig,
  ) {
    // Made now, not at load(): HLS.js clears the setups from its configuration when it is destroyed.
    this.http = home.httpLoader(player);
    this.stats = this.http.stats ?? newStats();
    this.recipe = recipeOf(this.http);
  }

  load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks): void {
    if (this.state) throw new Error('Loader can only be used once.');
    this.context = context;
    this.config = config;
    this.callbacks = callbacks;
    this.state = 'plain';
    if (!isFragment(context)) return (this.http as Loader).load(context, config, callbacks);
    this.described = this.home.describe(context, this.player);
    const port = this.home.port;
    if (port && this.described && this.recipe) this.loadFromMesh(port, this.described, this.recipe);
    else (this.http as Loader).load(context, config, this.plainCallbacks(callbacks));
    this.home.asked();
  }

  /** Ends the load; `onAbort` is called before this returns, once, and only if nothing else was. */
  abort(): void {
    const { callbacks, context } = this;
    if (!this.state || this.state === 'ended' || !context) return;
    if (!isFragment(context)) return (this.http as Loader).abort();
    this.stop();
    this.stats.aborted = true;
    this.http?.abort();
    callbacks?.onAbort?.(this.stats, context, this.details);
  }

  /** Ends the load silently. HLS.js calls it from inside every terminal callback. */
  destroy(): void {
    const { http } = this;
    if (this.state === 'mesh' || this.state === 'takeover') this.stats.aborted = true;
    this.stop();
    this.http = null;
    http?.destroy();
  }

  getCacheAge(): number | null {
    return this.http?.getCacheAge?.() ?? null;
  }

  getResponseHeader(name: string): string | null {
    return this.http?.getResponseHeader?.(name) ?? null;
  }

  // ---- plain

  private plainCallbacks(theirs: LoaderCallbacks): LoaderCallbacks {
    const { stats } = this;
    // A streaming loader hands the body out in pieces, which HLS.js then detaches.
    const pieces: ArrayBuffer[] = [];
    const callbacks: LoaderCallbacks = {
      onSuccess: (response, _stats, context, details) => {
        const body = response.data as ArrayBuffer;
        const whole = body.byteLength ? body : join(pieces);
        if (!whole.byteLength) return callbacks.onError(emptyBody(response.code), context, details, stats);
        if (!this.finish('plain', whole.byteLength, 0, whole.byteLength, whole)) return;
        theirs.onSuccess({ ...response, data: whole }, stats, context, details);
      },
      onError: (error, context, details) => {
        if (this.stop()) theirs.onError(error, context, details, stats);
      },
      onTimeout: (_stats, context, details) => {
        if (this.stop()) theirs.onTimeout(stats, context, details);
      },
      onAbort: (_stats, _context, details) => {
        this.details = details;
      },
    };
    if (theirs.onProgress) {
      callbacks.onProgress = (_stats, context, data, details) => {
        if (this.state !== 'plain') return;
        // A loader that reports once at the end gives the same body to onSuccess.
        if (!stats.loading.end) pieces.push(copy(data));
        theirs.onProgress?.(stats, context, data, details);
      };
    }
    return callbacks;
  }

  // ---- mesh

  private loadFromMesh(port: MeshPort, described: Described, recipe: object): void {
    const context = this.context as LoaderContext;
    this.state = 'mesh';
    // The unused loader is not destroyed: a FetchLoader's destroy() would mark our statistics aborted.
    this.http = null;
    this.port = port;
    const now = performance.now();
    this.stats.loading.start = now;
    this.armLimit();
    this.setDue(now + FIRST_WORD_MS);
    const lane = port.lane(described.lane);
    this.id = port.load({ ...described.request, lane }, { ...recipe, headers: context.headers ?? {}, context }, this);
  }

  httpHead(status: number, finalUrl: string, details: unknown): void {
    if (this.state !== 'mesh') return;
    this.head = { status, url: finalUrl };
    this.details = details;
    // As XhrLoader does: the head counts as the first byte, and the second timer begins.
    if (status >= 200 && status < 300) this.first();
  }

  httpBytes(count: number, total: number | null): void {
    if (this.state !== 'mesh') return;
    this.fromHttp += count;
    this.progressed(total);
  }

  progress(verified: number, total: number | null): void {
    if (this.state !== 'mesh') return;
    this.verified = Math.max(this.verified, verified);
    this.progressed(total);
  }

  due(at: number | null, reason: string): void {
    if (this.state !== 'mesh') return;
    this.reason = reason;
    this.heardAt = performance.now();
    clearTimeout(this.dueTimer);
    if (at !== null) this.setDue(at);
    else if (!this.httpSince) this.httpSince = this.heardAt;
  }

  loaded(body: ArrayBuffer, report: LoadReport): void {
    if (this.state !== 'mesh') return;
    const { stats } = this;
    if (!this.fits(body)) return this.takeOver('wrong-length');
    this.reason = report.reason;
    this.id = NONE;
    const now = performance.now();
    const bytes = body.byteLength;
    const ms = now - stats.loading.start;
    const rate = report.reportBps ?? (report.fromPeers > 0 || report.fromHttp === 0 ? this.home.estimate(this.player) : undefined);
    if (rate) tellAtRate(stats, now, bytes, rate, report.reportTtfbMs);
    else tellMeasured(stats, now, bytes, this.httpSince || stats.loading.start, stats.loading.first);
    const { status, url } = this.head;
    this.deliver('mesh', body, { code: status || 200, url: url || this.url() }, report.fromPeers, report.fromHttp, ms);
  }

  failed(fault: HttpFault): void {
    if (this.state !== 'mesh') return;
    this.id = NONE;
    const { callbacks, context, stats } = this;
    if (!this.stop()) return;
    const { status, text, details, timeout } = fault;
    if (timeout) callbacks?.onTimeout(stats, context as LoaderContext, details);
    else callbacks?.onError({ code: status, text }, context as LoaderContext, details, stats);
  }

  dead(): void {
    if (this.state !== 'mesh') return;
    this.port = null;
    this.takeOver('core-dead');
  }

  private progressed(total: number | null): void {
    this.heardAt = performance.now();
    tellProgress(this.stats, this.heardAt, this.fromHttp + this.verified, total);
    if (this.stats.loading.first) this.first();
  }

  private setDue(at: number): void {
    this.dueAt = at;
    clearTimeout(this.dueTimer);
    this.dueTimer = after(at + GRACE_MS - performance.now(), () => this.overdue());
  }

  private overdue(): void {
    const now = performance.now();
    const silentSince = Math.max(this.dueAt, this.heardAt, this.resumedAt);
    // A late timer says that the page slept, not that the core was silent: what it said waits in the queue behind us.
    if (!this.resumedAt && now - silentSince > 2 * GRACE_MS) {
      this.resumedAt = now;
      return this.setDue(now);
    }
    // Bytes that came in the meantime are a sign of life.
    if (now - silentSince < GRACE_MS - 1) this.dueTimer = after(silentSince + GRACE_MS - now, () => this.overdue());
    else this.takeOver('overdue');
  }

  private fits(body: ArrayBuffer): boolean {
    const range = this.described?.request.range;
    return body.byteLength > 0 && (!range || body.byteLength === range[1] - range[0]);
  }

  // ---- takeover

  private takeOver(reason: string): void {
    if (this.state !== 'mesh') return;
    this.state = 'takeover';
    this.reason = reason;
    clearTimeout(this.dueTimer);
    this.release();
    this.home.fellBack(reason);
    const http = (this.http = this.home.httpLoader(this.player));
    this.mirrorTimer = setInterval(() => this.mirror(http.stats), MIRROR_MS) as unknown as number;
    http.load(this.context as LoaderContext, this.withoutLimits(), this.takeoverCallbacks(http.stats));
  }

  /** Progress of the GET in the statistics that the player holds. */
  private mirror(from: LoaderStats): void {
    if (this.state !== 'takeover') return;
    tellProgress(this.stats, performance.now(), from.loaded, from.total);
    if (from.loading.first) this.first();
  }

  private takeoverCallbacks(http: LoaderStats): LoaderCallbacks {
    const pieces: ArrayBuffer[] = [];
    return {
      onSuccess: (response, _stats, _context, details) => {
        if (this.state !== 'takeover') return;
        const given = response.data as ArrayBuffer;
        const body = given.byteLength ? given : join(pieces);
        const code = response.code ?? 200;
        this.details = details;
        if (!body.byteLength) return this.fail(emptyBody(code), details);
        const now = performance.now();
        const ms = now - this.stats.loading.start;
        tellMeasured(this.stats, now, body.byteLength, http.loading.start, http.loading.first);
        this.deliver('takeover', body, { code, url: response.url }, 0, body.byteLength, ms);
      },
      onError: (error, _context, details) => this.fail(error, details),
      onTimeout: (_stats, _context, details) => this.expire(details),
      onAbort: (_stats, _context, details) => {
        this.details = details;
      },
      onProgress: (_stats, _context, data) => {
        if (!http.loading.end) pieces.push(copy(data));
      },
    };
  }

  private fail(error: { code: number; text: string }, details: unknown): void {
    const { callbacks, context, stats } = this;
    if (this.stop()) callbacks?.onError(error, context as LoaderContext, details, stats);
  }

  /** Our own timers run from `load()`; the GET's would begin anew. */
  private withoutLimits(): LoaderConfiguration {
    const config = this.config as LoaderConfiguration;
    const limits = { maxTimeToFirstByteMs: NO_TIMEOUT_MS, maxLoadTimeMs: NO_TIMEOUT_MS };
    return { ...config, loadPolicy: { ...config.loadPolicy, ...limits, errorRetry: null, timeoutRetry: null } };
  }

  // ---- both timeouts, and the end

  private armLimit(): void {
    const config = this.config as LoaderConfiguration;
    config.timeout = firstTimeout(config);
    this.limit(config.timeout);
  }

  /** The first usable byte is here: from now on the limit of the whole load counts. */
  private first(): void {
    const config = this.config as LoaderConfiguration;
    const { loading } = this.stats;
    tellFirst(this.stats, performance.now());
    const { maxLoadTimeMs } = config.loadPolicy;
    if (config.timeout === maxLoadTimeMs) return;
    config.timeout = maxLoadTimeMs;
    this.limit(maxLoadTimeMs - (loading.first - loading.start));
  }

  private limit(ms: number): void {
    clearTimeout(this.limitTimer);
    if (Number.isFinite(ms)) this.limitTimer = after(ms, () => this.expire(this.details));
  }

  private expire(details: unknown): void {
    const { callbacks, context, stats, http } = this;
    if (!this.stop()) return;
    stats.aborted = true;
    http?.abort();
    callbacks?.onTimeout(stats, context as LoaderContext, details);
  }

  /** Hands a whole body to HLS.js: through `onProgress` too, if it listens there, then `onSuccess`. */
  private deliver(way: 'mesh' | 'takeover', body: ArrayBuffer, head: { code: number; url: string }, fromPeers: number, fromHttp: number, ms: number): void {
    const { callbacks, stats, details } = this;
    const context = this.context as LoaderContext;
    const mine = fromPeers > 0 ? null : details;
    // In streaming mode onProgress detaches the body, so what the mesh wants of it is taken first.
    const bytes = body.byteLength;
    if (way === 'takeover' && this.described) this.home.offer(this.described, body);
    callbacks?.onProgress?.(stats, context, body, mine);
    if (!this.finish(way, bytes, fromPeers, fromHttp, undefined, ms)) return;
    callbacks?.onSuccess({ url: head.url, data: body, code: head.code }, stats, context, mine);
  }

  private finish(way: 'plain' | 'mesh' | 'takeover', bytes: number, fromPeers: number, fromHttp: number, offered?: ArrayBuffer, took?: number): boolean {
    const { context, described, reason, stats } = this;
    if (!this.stop()) return false;
    if (offered && described) this.home.offer(described, offered);
    const ms = took ?? stats.loading.end - stats.loading.start;
    this.home.ended({ context: context as LoaderContext, way, bytes, fromPeers, fromHttp, ms, reason });
    return true;
  }

  /** Ends everything of ours; false if it had ended before. */
  private stop(): boolean {
    const running = this.state !== 'ended';
    this.state = 'ended';
    clearTimeout(this.limitTimer);
    clearTimeout(this.dueTimer);
    clearInterval(this.mirrorTimer);
    this.release();
    this.callbacks = null;
    return running;
  }

  /** Tells the core that this load needs it no more. */
  private release(): void {
    const { port, id } = this;
    this.port = null;
    this.id = NONE;
    if (id !== NONE) port?.abort(id);
  }

  private url(): string {
    return (this.context as LoaderContext).url;
  }
}

/**
 * How this player's media requests are made. HLS.js's own loaders keep their setup in a member of this name; a loader
 * without either is the page's own, and only it knows how to ask: its loads stay plain.
 */
function recipeOf(http: Loader): Pick<RequestRecipe, 'fetchSetup' | 'xhrSetup'> | undefined {
  const { xhrSetup, fetchSetup } = http as { xhrSetup?: XhrSetup | null; fetchSetup?: FetchSetup | null };
  if (xhrSetup) return { xhrSetup: xhrSetup.bind(http as never) };
  if (fetchSetup) return { fetchSetup };
  return xhrSetup === null ? {} : undefined;
}

function emptyBody(code = 0): { code: number; text: string } {
  return { code, text: 'empty response body' };
}

function copy(data: unknown): ArrayBuffer {
  return data instanceof ArrayBuffer ? data.slice(0) : new Uint8Array(data as Uint8Array).slice().buffer;
}

function join(pieces: ArrayBuffer[]): ArrayBuffer {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  pieces.reduce((at, piece) => {
    whole.set(new Uint8Array(piece), at);
    return at + piece.byteLength;
  }, 0);
  return whole.buffer;
}

function after(ms: number, then: () => void): number {
  return setTimeout(then, Math.max(ms, 0)) as unknown as number;
}
