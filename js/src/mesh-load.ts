/**
 * A load while a core answers for it, and after it ceased to.
 *
 * The core may wait for peers, but never silently: it names a due time and renews it with every decision or verified
 * byte. 250 ms past it without either, or when the core dies, the load is taken over: one clean GET by HLS.js's own
 * means, peer bytes dropped. Both of HLS.js's time limits run from `load()` through all of this.
 */
import type { Fragment, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats, Player } from './hls-types.js';
import { copy, emptyBody, wholeBody } from './load-session.js';
import type { LoadSession } from './load-session.js';
import { tellAtRate, tellFirst, tellMeasured, tellProgress } from './load-stats.js';
import type { HttpFault, LoadReport, LoadSink, MeshPort, MeshRequest, RequestRecipe } from './mesh-port.js';
import { mutant } from './mutants.js';
import { firstTimeout } from './plain-loader.js';
import type { Described } from './request.js';

/** A core is taken over when it is silent for so long past its due time. */
const GRACE_MS = 250;
/** A core that says nothing at all about a new load is due by then. */
const FIRST_WORD_MS = 250;
/** How often the statistics of a takeover's GET are copied; HLS.js looks every 100 ms. */
const MIRROR_MS = 50;
/** Longest delay a timer takes. */
const NO_LIMIT_MS = 0x7fffffff;

export class MeshLoad implements LoadSink {
  /** Response or XHR of the GET that answers for the load, for HLS.js's callbacks. */
  details: unknown = null;
  private readonly context: LoaderContext;
  private readonly stats: LoaderStats;
  private readonly id: number;
  /** False once the core was told, or told us, that the load is over for it. */
  private open = true;
  private http: Loader | null = null;
  private head = { status: 0, url: '' };
  private fromHttp = 0;
  private verified = 0;
  /** When HTTP began to answer for the load; 0 while peers do. */
  private httpSince = 0;
  private dueAt = 0;
  private heardAt = 0;
  /** When a timer was found to be late. */
  private resumedAt = 0;
  private reason = 'mesh';
  private limitTimer = 0;
  private dueTimer = 0;
  private mirrorTimer = 0;

  constructor(
    private readonly session: LoadSession,
    private readonly port: MeshPort,
    private readonly described: Described,
    recipe: RequestRecipe,
    private readonly config: LoaderConfiguration,
  ) {
    this.context = session.context as LoaderContext;
    this.stats = session.stats;
    const now = performance.now();
    this.stats.loading.start = now;
    config.timeout = firstTimeout(config);
    this.limit(config.timeout);
    this.setDue(now + FIRST_WORD_MS);
    const request = { ...described.request, ...ratesOf(described.player, this.context.frag), lane: port.lane(described.lane) };
    this.id = port.load(request, this.timed(recipe), this);
  }

  /** Nothing is asked or told any more. */
  stop(): void {
    clearTimeout(this.limitTimer);
    clearTimeout(this.dueTimer);
    clearInterval(this.mirrorTimer);
    this.leave();
    this.http?.abort();
    this.http?.destroy();
    this.http = null;
  }

  // ---- the core speaks

  httpHead(status: number, finalUrl: string, details: unknown): void {
    if (!this.open) return;
    this.head = { status, url: finalUrl };
    this.details = details;
    // As XhrLoader does: the head counts as the first byte, and the second limit begins.
    if (status >= 200 && status < 300) this.first();
  }

  httpBytes(count: number, total: number | null): void {
    if (!this.open) return;
    this.fromHttp += count;
    this.progressed(total);
  }

  progress(verified: number, total: number | null): void {
    if (!this.open) return;
    this.verified = Math.max(this.verified, verified);
    this.progressed(total);
  }

  due(at: number | null, reason: string): void {
    if (!this.open) return;
    this.reason = reason;
    this.heardAt = performance.now();
    clearTimeout(this.dueTimer);
    if (at !== null) this.setDue(at);
    else if (!this.httpSince) this.httpSince = this.heardAt;
  }

  fellBack(reason: string): void {
    if (this.open) this.session.home.fellBack(this.context, reason);
  }

  loaded(body: ArrayBuffer, report: LoadReport): void {
    if (!this.open) return;
    if (!this.fits(body, report)) return this.takeOver('wrong-length');
    this.open = false;
    const { head, httpSince, session, stats } = this;
    const { fromPeers, fromHttp, reason } = report;
    const now = performance.now();
    const bytes = body.byteLength;
    const outcome = { way: 'mesh' as const, bytes, fromPeers, fromHttp, ms: now - stats.loading.start, reason };
    const rate = report.reportBps ?? (fromPeers > 0 || reason === 'store' ? this.neutralBps(bytes) : undefined);
    if (rate) tellAtRate(stats, now, bytes, rate, report.reportTtfbMs);
    else tellMeasured(stats, now, bytes, httpSince || stats.loading.start, stats.loading.first);
    const answered = { code: head.status || 200, url: head.url || this.context.url };
    session.deliver(body, answered, fromPeers > 0 ? null : this.details, outcome);
  }

  failed(fault: HttpFault): void {
    if (!this.open) return;
    const { status, text, details, timeout, limit } = fault;
    if (limit) return this.takeOver('too-long');
    this.open = false;
    if (timeout) this.session.timeOut(details);
    else this.session.fail({ code: mutant('swallow-status') ? 0 : status, text }, details);
  }

  dead(reason: string): void {
    this.takeOver(reason);
  }

  /** For a hit in the store while HTTP was never measured: what the player believes anyway, else enough for this level. */
  private neutralBps(bytes: number): number {
    const { durationMs } = this.described.request;
    return this.session.home.estimate(this.session.player) ?? (12_000 * bytes) / (durationMs || 4000);
  }

  private progressed(total: number | null): void {
    this.heardAt = performance.now();
    const { fromHttp, stats, verified } = this;
    const { range } = this.described.request;
    const length = total ?? (range ? range[1] - range[0] : null);
    const sum = fromHttp + verified;
    const known = Math.max(length ?? 0, stats.total);
    // A whole body over HTTP may repeat what peers sent before it.
    tellProgress(stats, this.heardAt, known && sum > known ? Math.max(fromHttp, verified) : sum, length);
    if (this.stats.loading.first) this.first();
  }

  /** An origin that answers a range with everything is handed on as it is, as HLS.js's own loader does. */
  private fits(body: ArrayBuffer, { fromPeers }: LoadReport): boolean {
    const { range } = this.described.request;
    const whole = this.head.status === 200 && !fromPeers;
    return body.byteLength > 0 && (!range || whole || body.byteLength === range[1] - range[0]);
  }

  private leave(): void {
    if (this.open) this.port.abort(this.id);
    this.open = false;
  }

  // ---- due time

  private setDue(at: number): void {
    this.dueAt = at;
    clearTimeout(this.dueTimer);
    if (mutant('no-takeover')) return;
    this.dueTimer = after(at + GRACE_MS - performance.now(), () => this.overdue());
  }

  private overdue(): void {
    const now = performance.now();
    const silentSince = Math.max(this.dueAt, this.heardAt, this.resumedAt);
    // A late timer says that the page slept, not that the core was silent: what it said waits in the queue behind us.
    if (!this.resumedAt && now - silentSince > 2 * GRACE_MS) this.setDue((this.resumedAt = now));
    // Bytes that came in the meantime are a sign of life.
    else if (now - silentSince < GRACE_MS - 1) this.setDue(silentSince);
    else this.takeOver('overdue');
  }

  // ---- takeover

  private takeOver(reason: string): void {
    if (!this.open) return;
    const { config, session } = this;
    clearTimeout(this.dueTimer);
    this.leave();
    this.reason = reason;
    session.state = 'takeover';
    session.home.fellBack(this.context, reason);
    const http = (this.http = session.home.httpLoader(session.player));
    this.mirrorTimer = setInterval(() => this.mirror(http.stats), MIRROR_MS) as unknown as number;
    // Our own limits run from load(); the GET's would begin anew.
    const limits = { maxTimeToFirstByteMs: NO_LIMIT_MS, maxLoadTimeMs: NO_LIMIT_MS, errorRetry: null, timeoutRetry: null };
    http.load(this.context, { ...config, loadPolicy: { ...config.loadPolicy, ...limits } }, this.takeoverCallbacks(http));
  }

  /** Progress of the GET in the statistics that the player holds. */
  private mirror(from: LoaderStats): void {
    tellProgress(this.stats, performance.now(), from.loaded, from.total);
    if (from.loading.first) this.first();
  }

  private takeoverCallbacks(http: Loader): LoaderCallbacks {
    const from = http.stats;
    const pieces: ArrayBuffer[] = [];
    const current = () => this.http === http;
    return {
      onSuccess: (response, _stats, _context, details) => {
        if (!current()) return;
        const body = wholeBody(response.data, pieces);
        const bytes = body.byteLength;
        const code = response.code ?? 200;
        if (!bytes) return this.session.fail(emptyBody(code), details);
        const now = performance.now();
        const ms = now - this.stats.loading.start;
        tellMeasured(this.stats, now, bytes, from.loading.start, from.loading.first);
        const outcome = { way: 'takeover' as const, bytes, fromPeers: 0, fromHttp: bytes, ms, reason: this.reason };
        this.session.deliver(body, { code, url: response.url }, details, outcome);
      },
      onError: (error, _context, details) => current() && this.session.fail(error, details),
      onTimeout: (_stats, _context, details) => current() && this.expire(details),
      onAbort: (_stats, _context, details) => {
        this.details = details;
      },
      onProgress: (_stats, _context, data) => {
        if (!from.loading.end) pieces.push(copy(data));
      },
    };
  }

  // ---- both limits

  /** The limits begin when the request is sent: while the page prepares it, for as long as that takes, none runs. */
  private timed(recipe: RequestRecipe): RequestRecipe {
    const { xhrSetup } = recipe;
    if (!xhrSetup) return recipe;
    const timed: typeof xhrSetup = async (...given) => {
      clearTimeout(this.limitTimer);
      try {
        await xhrSetup(...given);
      } finally {
        if (this.open && !this.stats.loading.first) this.limit(this.config.timeout);
      }
    };
    return { ...recipe, xhrSetup: timed };
  }

  /** The first usable byte is here: from now on the limit of the whole load counts. */
  private first(): void {
    const { config, stats } = this;
    tellFirst(stats, performance.now());
    const { maxLoadTimeMs } = config.loadPolicy;
    if (config.timeout === maxLoadTimeMs) return;
    config.timeout = maxLoadTimeMs;
    this.limit(maxLoadTimeMs - (stats.loading.first - stats.loading.start));
  }

  private limit(ms: number): void {
    clearTimeout(this.limitTimer);
    if (Number.isFinite(ms)) this.limitTimer = after(ms, () => this.expire(this.details));
  }

  private expire(details: unknown): void {
    this.stats.aborted = true;
    this.session.timeOut(details);
  }
}

/** Bit rates of the level that a segment is of, and of the one above if the player may climb to it. */
function ratesOf(player: Player | undefined, frag: Fragment | undefined): Pick<MeshRequest, 'bitrateBps' | 'nextBps'> {
  const at = frag?.level ?? -1;
  if (!player || !frag) return {};
  if (frag.type !== 'main') return { bitrateBps: player.audioTracks?.[at]?.bitrate };
  const { autoLevelEnabled, levels, maxAutoLevel = 0 } = player;
  const climbs = autoLevelEnabled && at < maxAutoLevel;
  return { bitrateBps: levels?.[at]?.bitrate, nextBps: climbs ? levels?.[at + 1]?.bitrate : undefined };
}

function after(ms: number, then: () => void): number {
  return setTimeout(then, Math.max(ms, 0)) as unknown as number;
}
