/**
 * What one page keeps for one stream: the core (once there is one), the players that use it, the counters.
 *
 * Life of the core: nothing before the player asks for its first segment; then, when that segment's first frame is shown
 * (or 5 s after it was asked for), wasm is loaded. Until it is ready, and for ever if that fails, loads are plain.
 * It ends with the last attached player, when the page is left, or after two idle minutes; a later load begins anew.
 */
import { attachPlayer } from './attach.js';
import type { Attachment } from './attach.js';
import { Emitter } from './events.js';
import type { EndCode, ErrorCode } from './errors.js';
import type { ErrorEvent, EventName, FallbackEvent, Listener, SegmentEvent, SegmentName } from './events.js';
import type { Fragment, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, Player, PlayerConfig } from './hls-types.js';
import { isFragment } from './hls-types.js';
import type { Late, LoadLate } from './late.js';
import { LoadSession } from './load-session.js';
import type { LiveMesh, Outcome, SessionHome } from './load-session.js';
import type { MeshPort } from './mesh-port.js';
import { mutant } from './mutants.js';
import { keyOf } from './options.js';
import type { MeshedFlowOptions } from './options.js';
import { PlainLoader } from './plain-loader.js';
import { describe } from './request.js';
import type { Described, PlayerFacts } from './request.js';
import type { CoreStats, MeshStats } from './stats.js';

/** How copies of the SDK on one page reach each other; members are never removed or changed. */
export interface PageAbi {
  readonly abi: 1;
  load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks, player?: PlayerConfig): LoadSession;
  session(player?: PlayerConfig): LoadSession;
  attach(player: Player): () => void;
  on<E extends EventName>(event: E, listener: Listener<E>): () => void;
  stats(): MeshStats;
  consent(given: boolean): void;
  retain(): void;
  release(): void;
}

/** A first segment this late is not coming soon: the mesh may have better luck with the next. */
const START_AFTER_MS = 5000;
/** From the first segment to the start of the core, which must not compete with the first frame: with an attached player
 * that frame is awaited so long, without one it is taken to be there by then. */
const FRAME_WITHIN_MS = 1000;
const SETTLE_MS = 200;
/** The frame is decoded, but not on the screen yet. */
const AFTER_FRAME_MS = 100;
const IDLE_MS = 120_000;
const STATS_EVERY_MS = 2000;
/** The module is not there by then: it is not waited for. */
const GIVE_UP_MS = 60_000;
/** So many loads in a row that the core left unanswered: each has cost half a second. */
const UNANSWERED = 3;
const APART_MS = 1000;
/** Bodies kept for a core that is still starting. */
const EARLY_BYTES = 16 * 1024 * 1024;

export class Page implements PageAbi, SessionHome {
  readonly abi = 1;
  private readonly emitter = new Emitter();
  private readonly attachments = new Map<unknown, Attachment>();
  private readonly callers = new WeakSet<object>();
  private readonly totals = { loads: { plain: 0, mesh: 0, takeover: 0 }, bytes: { peers: 0, http: 0 } };
  private state: MeshStats['state'] = 'waiting';
  private reason = '';
  private mesh: (LiveMesh & Late) | null = null;
  /** What the viewer said; undefined before. */
  private consented: boolean | undefined;
  private asking = false;
  /** The player asked for media. */
  private wanted = false;
  private early: Array<{ described: Described; body: ArrayBuffer }> = [];
  private users = 0;
  /** Counts starts, so that a core that comes up after its page gave up on it is closed. */
  private era = 0;
  private startTimer = 0;
  /** The player has its first media segment, its first frame perhaps not yet. */
  private fed = false;
  private idleTimer = 0;
  private statsTimer = 0;
  private giveUpTimer = 0;
  private starting: AbortController | undefined;
  private unanswered = 0;
  private unansweredAt = 0;
  private lastStats: CoreStats | null = null;
  private unlisten: () => void = () => {};
  /** Stops waiting for first frames. */
  private readonly unseen: Array<() => void> = [];

  constructor(
    private readonly options: MeshedFlowOptions,
    private readonly loadLate: LoadLate,
    private readonly forget: () => void,
  ) {}

  // ---- for players

  load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks, player?: PlayerConfig): LoadSession {
    if (!player && this.attachments.size === 1) player = (this.attachments.values().next().value as Attachment).player.config;
    // Its `loader` is who called, and would call again; CMCD wraps it as an fLoader.
    if (player && (!player.fLoader || player.cmcd)) this.callers.add(player);
    const session = this.session(player);
    // A loader class without `stats` leaves these undefined, and HLS.js 1.5 and 1.6 read them all the time.
    const holder = context.part || context.frag;
    if (holder && isFragment(context)) holder.stats = session.stats;
    session.load(context, config, callbacks);
    return session;
  }

  session(player?: PlayerConfig): LoadSession {
    return new LoadSession(this, player);
  }

  attach(player: Player): () => void {
    const known = this.attachments.get(player.config);
    if (known) return known.detach;
    const attachment = attachPlayer(player, () => {
      this.attachments.delete(player.config);
      if (!this.attachments.size) this.close();
    });
    this.attachments.set(player.config, attachment);
    this.follow(attachment);
    return attachment.detach;
  }

  on<E extends EventName>(event: E, listener: Listener<E>): () => void {
    const stop = this.emitter.on(event, listener);
    this.tick();
    return () => {
      stop();
      this.tick();
    };
  }

  stats(): MeshStats {
    const { loads, bytes } = this.totals;
    const stats: MeshStats = { state: this.state, loads: { ...loads }, bytes: { ...bytes }, mesh: (this.live?.port.stats() as CoreStats) ?? this.lastStats };
    if (this.state !== 'on') stats.reason = this.why;
    return stats;
  }

  consent(given: boolean): void {
    this.consented = given;
    if (given) return this.begin();
    if (this.mesh) this.emitter.emit('sharing', { on: false, reason: 'no-consent' });
    this.close();
  }

  retain(): void {
    this.users++;
  }

  release(): void {
    if (--this.users > 0) return;
    this.attachments.forEach((a) => a.detach());
    this.close();
    this.state = 'off';
    this.reason = 'destroyed';
    this.emitter.clear();
    this.tick();
    this.forget();
  }

  // ---- for sessions

  get live(): LiveMesh | null {
    return this.mesh?.port.alive ? this.mesh : null;
  }

  get why(): string {
    return this.reason || (this.allowed ? `core-${this.state}` : 'no-consent');
  }

  httpLoader(player: PlayerConfig | undefined): Loader {
    const Theirs = player?.loader as (new (config: unknown) => Loader) | undefined;
    // `core` marks our own classes, which would only come back here.
    const foreign = typeof Theirs === 'function' && !('core' in Theirs) && !this.callers.has(player as object);
    return foreign ? new Theirs(player) : new PlainLoader(player);
  }

  describe(context: LoaderContext & { frag: Fragment }, player: PlayerConfig | undefined): Described | undefined {
    return describe(context, this.options.originBaseUrl, this.facts(context.frag, player));
  }

  asked(): void {
    if (this.state === 'off') return;
    this.wanted = true;
    this.idle();
    this.askConsent();
    this.begin();
  }

  offer(described: Described, body: ArrayBuffer): void {
    if (this.state === 'off' || !this.allowed) return;
    // HLS.js detaches the body. This is the one copy that is made of it.
    this.give({ described, body: body.slice(0) });
  }

  private give(offered: { described: Described; body: ArrayBuffer }): void {
    const port = this.live?.port;
    const { described, body } = offered;
    if (port) return port.offer({ ...described.request, lane: port.lane(described.lane) }, body, described.recipe, described.took);
    this.early.push(offered);
    const kept = () => this.early.reduce((sum, e) => sum + e.body.byteLength, 0);
    while (kept() > EARLY_BYTES) this.early.shift();
  }

  estimate(player: PlayerConfig | undefined): number | undefined {
    const estimate = this.attachments.get(player)?.player.bandwidthEstimate;
    return estimate && estimate > 0 ? estimate : undefined;
  }

  ended(context: LoaderContext, outcome: Outcome): void {
    const { way, bytes, fromPeers, fromHttp, ms, reason } = outcome;
    const { loads, bytes: total } = this.totals;
    loads[way]++;
    if (way === 'mesh') this.unanswered = 0;
    total.peers += fromPeers;
    total.http += fromHttp;
    const event: SegmentEvent = { ...named(context), bytes, fromPeers, fromHttp, ms, way, reason };
    if (!this.fed && event.sn !== 'initSegment') {
      this.fed = true;
      if (this.startTimer) this.awaitFrame();
    }
    this.emitter.emit('segment', event);
    if (this.options.debug) console.log(lineOf(event));
  }

  fellBack(context: LoaderContext, reason: string): void {
    const event: FallbackEvent = { ...named(context), reason };
    this.emitter.emit('fallback', event);
    // Loads that were open together are one: a page that was frozen for a moment does not lose its mesh.
    const now = performance.now();
    if (reason !== 'overdue' || now - this.unansweredAt < APART_MS) return;
    this.unansweredAt = now;
    if (++this.unanswered >= UNANSWERED) this.lost('core-silent', 'the mesh does not answer, plain HTTP from here on');
  }

  private facts(frag: Fragment, player: PlayerConfig | undefined): PlayerFacts {
    const attachment = this.attachments.get(player);
    if (!attachment) return {};
    const { levels, audioTracks, subtitleTracks } = attachment.player;
    const track = (frag.type === 'main' ? levels : frag.type === 'audio' ? audioTracks : subtitleTracks)?.[frag.level ?? -1];
    return { multivariant: attachment.multivariant, live: track?.details?.live, player: attachment.player };
  }

  // ---- life of the core

  private get allowed(): boolean {
    return this.consented ?? (this.options.consent ?? 'given') === 'given';
  }

  /** Asks, once, and unless the page has said it already. No answer and a failure are no consent. */
  private askConsent(): void {
    const { consent } = this.options;
    if (this.asking || this.consented !== undefined || typeof consent !== 'function') return;
    this.asking = true;
    const answered = (given: unknown) => this.consented === undefined && given === true && this.consent(true);
    new Promise((answer) => answer(consent())).then(answered, () => {});
  }

  /** A core is wanted: with the first frame, or soon. */
  private begin(): void {
    if (this.state !== 'waiting' || this.startTimer || !this.wanted || !this.allowed) return;
    this.startIn(this.fed ? this.settleMs() : START_AFTER_MS);
  }

  private settleMs(): number {
    return this.attachments.size ? FRAME_WITHIN_MS : SETTLE_MS;
  }

  private awaitFrame(): void {
    this.startIn(this.settleMs());
    const shown = () => this.startTimer && this.startIn(AFTER_FRAME_MS);
    this.attachments.forEach(({ player: { media } }) => {
      media?.addEventListener('loadeddata', shown);
      this.unseen.push(() => media?.removeEventListener('loadeddata', shown));
    });
  }

  private startIn(ms: number): void {
    clearTimeout(this.startTimer);
    this.startTimer = setTimeout(() => this.start(), ms) as unknown as number;
  }

  private start(): void {
    clearTimeout(this.startTimer);
    this.startTimer = 0;
    this.unseen.splice(0).forEach((stop) => stop());
    if (this.state !== 'waiting') return;
    this.state = 'starting';
    const era = ++this.era;
    const { signal } = (this.starting = new AbortController());
    this.giveUpTimer = setTimeout(() => this.failed('the mesh did not start within a minute'), GIVE_UP_MS) as unknown as number;
    this.loadLate()
      .then((late) => late.start(this.options, signal).then((port) => (era === this.era ? this.started(late, port) : port.close())))
      .catch((error) => era === this.era && this.failed(error));
  }

  private started(late: Late, port: MeshPort): void {
    clearTimeout(this.giveUpTimer);
    this.unanswered = 0;
    this.mesh = { ...late, port };
    this.state = 'on';
    port.onEvent((name, detail) => {
      const { code, text } = detail as { code: ErrorCode; text: string };
      if (name === 'dead') this.lost('core-dead', text);
      else if (name === 'warn') this.tell(code, text);
      // The page hears of segments as its players receive them, whatever the core fetched for others meanwhile.
      else if (name !== 'segment') this.emitter.emit(name, detail);
    });
    this.unlisten = late.watchSurroundings((event) => port.player(event), () => this.close());
    this.attachments.forEach((attachment) => this.follow(attachment));
    for (const offered of this.early.splice(0)) this.give(offered);
  }

  private follow(attachment: Attachment): void {
    if (this.mesh) attachment.unfollow = this.mesh.follow(attachment, this.mesh.port, this.options.originBaseUrl);
  }

  private failed(error: Partial<Error> | string): void {
    this.close();
    const { name, message } = error as Partial<Error>;
    this.off(name === 'no-webrtc' ? name : 'no-core', `plain HTTP from here on: ${message ?? error}`);
  }

  private lost(code: EndCode, text: string): void {
    if (!this.mesh) return;
    this.lastStats = { ...(this.mesh.port.stats() as CoreStats), sharing: code };
    this.close();
    this.off(code, text);
  }

  private off(reason: EndCode, text: string): void {
    this.state = 'off';
    this.reason = reason;
    this.emitter.emit('sharing', { on: false, reason });
    this.tell(reason, text, { ends: 'mesh' });
  }

  /** Closes the core; a later load starts another one. */
  private close(): void {
    this.era++;
    clearTimeout(this.startTimer);
    clearTimeout(this.idleTimer);
    clearTimeout(this.giveUpTimer);
    this.starting?.abort();
    this.startTimer = this.idleTimer = 0;
    this.fed = false;
    this.unseen.splice(0).forEach((stop) => stop());
    this.unlisten();
    this.mesh?.port.close();
    this.mesh = null;
    this.early = [];
    this.attachments.forEach(({ unfollow }) => unfollow?.());
    this.wanted = false;
    if (this.state !== 'off') this.state = 'waiting';
  }

  private idle(): void {
    clearTimeout(this.idleTimer);
    this.idleTimer = setTimeout(() => !this.attachments.size && this.close(), IDLE_MS) as unknown as number;
  }

  /** Statistics while somebody listens. */
  private tick(): void {
    clearInterval(this.statsTimer);
    const told = () => this.emitter.emit('stats', this.stats());
    if (this.users > 0 && this.emitter.hears('stats')) this.statsTimer = setInterval(told, STATS_EVERY_MS) as unknown as number;
  }

  private tell(code: ErrorCode, message: string, more?: Pick<ErrorEvent, 'ends'>): void {
    const event: ErrorEvent = { code, message, fatal: false, ...more };
    // The death of a module that several streams share is one line, and told already.
    if (code !== 'core-dead') console.warn(`MeshedFlow: ${message} [${code}]`);
    this.emitter.emit('error', event);
  }
}

/** The page's core for these options: one per page, also across copies of the SDK that speak the same ABI. */
export function pageOf(options: MeshedFlowOptions, loadLate: LoadLate): PageAbi {
  const key = Symbol.for(keyOf(options));
  const globals = globalThis as unknown as Record<symbol, PageAbi | undefined>;
  const known = globals[key];
  // A copy of another kind may have the place; it keeps it.
  const forget = () => void (globals[key] === page && delete globals[key]);
  const page: PageAbi = known && known.abi === 1 && !mutant('own-core') ? known : new Page(options, loadLate, forget);
  if (!known) Object.defineProperty(globals, key, { value: page, configurable: true });
  page.retain();
  return page;
}

function named({ frag, part, url }: LoaderContext): SegmentName {
  const { type, sn } = frag as Fragment;
  return part ? { type, sn, part: part.index, url } : { type, sn, url };
}

/** `[meshedflow] main 4812: 641 kB in 312 ms, 81 % from peers (mesh: peer)` */
function lineOf(e: SegmentEvent): string {
  const part = e.part === undefined ? '' : `.${e.part}`;
  const share = Math.round((100 * e.fromPeers) / e.bytes);
  const size = `${Math.round(e.bytes / 1000)} kB in ${Math.round(e.ms)} ms`;
  return `[meshedflow] ${e.type} ${e.sn}${part}: ${size}, ${share} % from peers (${e.way}: ${e.reason})`;
}
