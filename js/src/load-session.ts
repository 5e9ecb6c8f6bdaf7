/**
 * One request of HLS.js, from `load()` to its one terminal callback. Nothing else calls HLS.js's callbacks.
 *
 * - *plain*: no live core when the load began. HLS.js's own loader does the work and mutates the very statistics object
 *   the player holds, so the behaviour is plain HLS.js's by construction; the finished body is offered to the mesh.
 *   Such a load never switches.
 * - *mesh*: the core answers for the load until its due time, which it renews with every decision or verified byte.
 * - *takeover*: the core died, or was silent 250 ms past the due time. One clean GET; peer bytes are dropped.
 * - *ended*: the terminal callback was called, or the player destroyed the loader. Nothing happens any more.
 *
 * The code of *mesh* and *takeover* ({@link MeshLoad}) arrives with the core; nobody needs it before.
 */
import { isFragment } from './hls-types.js';
import type { FetchSetup, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats, PlayerConfig, XhrSetup } from './hls-types.js';
import { keepEstimateFinite, newStats } from './load-stats.js';
import type { MeshLoad } from './mesh-load.js';
import type { MeshPort, RequestRecipe } from './mesh-port.js';
import { mutant } from './mutants.js';
import type { Described } from './request.js';

export type LoadState = 'plain' | 'mesh' | 'takeover' | 'ended';

/** How a load ended well. */
export interface Outcome {
  way: 'plain' | 'mesh' | 'takeover';
  bytes: number;
  fromPeers: number;
  fromHttp: number;
  /** From `load()` to the last byte. */
  ms: number;
  reason: string;
}

/** A live core and the code that loads through it. */
export interface LiveMesh {
  port: MeshPort;
  MeshLoad: typeof MeshLoad;
}

/** What a session asks of its page. */
export interface SessionHome {
  readonly live: LiveMesh | null;
  /** Why there is none, kebab-case. */
  readonly why: string;
  /** HLS.js's own way to load, for this player. */
  httpLoader(player: PlayerConfig | undefined): Loader;
  describe(context: LoaderContext, player: PlayerConfig | undefined): Described | undefined;
  /** The player asked for media: from the first time on, a core may be started. */
  asked(): void;
  /** A body came over HTTP outside the core; called before HLS.js gets (and detaches) it. */
  offer(described: Described, body: ArrayBuffer): void;
  /** Bandwidth an attached player estimates, bit/s. */
  estimate(player: PlayerConfig | undefined): number | undefined;
  ended(context: LoaderContext, outcome: Outcome): void;
  /** A load of the mesh goes over HTTP. */
  fellBack(context: LoaderContext, reason: string): void;
}

export class LoadSession {
  readonly stats: LoaderStats;
  context: LoaderContext | null = null;
  state: LoadState | undefined;
  private http: Loader | null;
  private mesh: MeshLoad | null = null;
  private readonly recipe: Setups | undefined;
  private callbacks: LoaderCallbacks | null = null;
  private described: Described | undefined;
  /** The XHR or Response of an aborted plain load. */
  private details: unknown = null;

  constructor(
    readonly home: SessionHome,
    readonly player?: PlayerConfig,
  ) {
    // Made now, not at load(): HLS.js clears the setups from its configuration when it is destroyed.
    this.http = home.httpLoader(player);
    this.stats = this.http.stats ?? newStats();
    this.recipe = setupsOf(this.http);
  }

  load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks): void {
    if (this.state) throw new Error('Loader can only be used once.');
    this.context = context;
    this.callbacks = callbacks;
    this.state = 'plain';
    const http = this.http as Loader;
    if (!isFragment(context)) return http.load(context, config, callbacks);
    const described = (this.described = this.home.describe(context, this.player));
    const { live } = this.home;
    const recipe = this.recipe && { ...this.recipe, headers: context.headers ?? {}, context };
    if (described && recipe) {
      described.recipe = recipe;
      if (recipe.xhrSetup) described.request.ownSetup = true;
    }
    if (live && described && recipe) {
      this.state = 'mesh';
      // The unused loader is not destroyed: a FetchLoader's destroy() would mark our statistics aborted.
      this.http = null;
      this.mesh = new live.MeshLoad(this, live.port, described, recipe, config);
    } else if (!mutant('wait-for-core')) {
      const reason = !live ? this.home.why : described ? 'own-loader' : 'unnamed';
      http.load(context, config, this.plainCallbacks(callbacks, reason));
    }
    this.home.asked();
  }

  /** Ends the load; `onAbort` is called before this returns, once, and only if nothing else was. */
  abort(): void {
    const { callbacks, context, http, stats } = this;
    if (!this.state || this.state === 'ended' || !context) return;
    if (!isFragment(context)) return http?.abort();
    const mesh = this.stop();
    stats.aborted = true;
    http?.abort();
    callbacks?.onAbort?.(stats, context, mesh ? mesh.details : this.details);
  }

  /** Ends the load silently. HLS.js calls it from inside every terminal callback. */
  destroy(): void {
    const { http } = this;
    if (this.mesh) this.stats.aborted = true;
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

  // ---- how loads end; each returns with nothing left to do

  /** Hands a whole body to HLS.js: through `onProgress` too, if it listens there, then `onSuccess`. */
  deliver(body: ArrayBuffer, head: { code: number; url: string }, details: unknown, outcome: Outcome): void {
    const { callbacks, home, stats } = this;
    const context = this.context as LoaderContext;
    // In streaming mode onProgress detaches the body, so what the mesh wants of it is taken first.
    if (outcome.way === 'takeover') this.offer(body);
    callbacks?.onProgress?.(stats, context, body, details);
    if (!this.running) return;
    this.stop();
    home.ended(context, outcome);
    callbacks?.onSuccess({ url: head.url, data: body, code: head.code }, stats, context, details);
  }

  fail(error: { code: number; text: string }, details: unknown): void {
    const { callbacks, context, running, stats } = this;
    this.stop();
    if (running) callbacks?.onError(error, context as LoaderContext, details, stats);
  }

  timeOut(details: unknown): void {
    const { callbacks, context, running, stats } = this;
    this.stop();
    if (running) callbacks?.onTimeout(stats, context as LoaderContext, details);
  }

  /** The mesh learns of a body that came over plain HTTP, and how fast HTTP was. */
  private offer(body: ArrayBuffer): void {
    const { described } = this;
    const { start, first, end } = this.stats.loading;
    if (!described) return;
    described.took = [first - start, end - first];
    this.home.offer(described, body);
  }

  private get running(): boolean {
    return this.state !== 'ended';
  }

  /** Ends everything of ours; returns the mesh load that was open. */
  private stop(): MeshLoad | null {
    const { mesh } = this;
    this.state = 'ended';
    this.mesh = this.callbacks = null;
    mesh?.stop();
    return mesh;
  }

  // ---- plain

  private plainCallbacks(theirs: LoaderCallbacks, reason: string): LoaderCallbacks {
    const { stats } = this;
    // A streaming loader hands the body out in pieces, which HLS.js then detaches.
    const pieces: ArrayBuffer[] = [];
    const callbacks: LoaderCallbacks = {
      onSuccess: (response, _stats, context, details) => {
        if (!this.running) return;
        const body = wholeBody(response.data, pieces);
        const bytes = body.byteLength;
        if (!bytes) return this.fail(emptyBody(response.code), details);
        this.stop();
        keepEstimateFinite(stats, bytes);
        this.offer(body);
        const ms = stats.loading.end - stats.loading.start;
        this.home.ended(context, { way: 'plain', bytes, fromPeers: 0, fromHttp: bytes, ms, reason });
        theirs.onSuccess({ ...response, data: body }, stats, context, details);
      },
      onError: (error, _context, details) => this.fail(error, details),
      onTimeout: (_stats, _context, details) => this.timeOut(details),
      onAbort: (_stats, _context, details) => {
        this.details = details;
      },
    };
    if (theirs.onProgress) {
      callbacks.onProgress = (_stats, context, data, details) => {
        if (!this.running) return;
        // A loader that reports once, at the end, gives the same body to onSuccess.
        if (!stats.loading.end) pieces.push(copy(data));
        theirs.onProgress?.(stats, context, data, details);
      };
    }
    return callbacks;
  }
}

type Setups = Pick<RequestRecipe, 'fetchSetup' | 'xhrSetup'>;

/**
 * How this player's media requests are made. HLS.js's own loaders keep their setup in a member of this name; a loader
 * without either is the page's own, and only it knows how to ask: its loads stay plain.
 */
function setupsOf(http: Loader): Setups | undefined {
  const { xhrSetup, fetchSetup } = http as { xhrSetup?: XhrSetup | null; fetchSetup?: FetchSetup | null };
  if (xhrSetup) return { xhrSetup: xhrSetup.bind(http as never) };
  if (fetchSetup) return { fetchSetup };
  return xhrSetup === null ? {} : undefined;
}

/** An empty body is an error: there is nothing to play in it and nothing to share. */
export function emptyBody(code = 0): { code: number; text: string } {
  return { code, text: 'empty response body' };
}

/** The body of a loader that may have streamed it. */
export function wholeBody(data: unknown, pieces: ArrayBuffer[]): ArrayBuffer {
  const body = data as ArrayBuffer;
  return body.byteLength || !pieces.length ? body : join(pieces);
}

/** A copy of a streamed piece, taken before HLS.js detaches it. */
export function copy(data: unknown): ArrayBuffer {
  return data instanceof ArrayBuffer ? data.slice(0) : new Uint8Array(data as Uint8Array).buffer;
}

function join(pieces: ArrayBuffer[]): ArrayBuffer {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  pieces.reduce((at, piece) => {
    whole.set(new Uint8Array(piece), at);
    return at + piece.byteLength;
  }, 0);
  return whole.buffer;
}
