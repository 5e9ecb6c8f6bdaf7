/**
 * The seam between a load session, which talks to HLS.js, and a live mesh core, which lives in wasm.
 *
 * Sessions hand requests to a {@link MeshPort} and receive what becomes of them through a {@link LoadSink}.
 * All times are milliseconds of `performance.now()`.
 */

/** What a lane carries. */
export type LaneKind = 'main' | 'audio' | 'subtitle';

/** A media playlist, named as the signed lists name it. */
export interface LaneInfo {
  /** Media playlist URL after redirects, query and fragment dropped. */
  playlist: string;
  /** Its origin. */
  origin: string;
  /** Where its rolling list or index is expected. */
  listUrl: string;
  /** Rendition against the multivariant playlist, where the page knows it. */
  rendition?: string;
  /** Set where it may as well be the only playlist of its stream, `main`: the signed list says which. */
  alone?: boolean;
  kind: LaneKind;
}

/** One HLS.js request, in the core's words. */
export interface MeshRequest {
  /** Lane number, given by {@link MeshPort.lane}. */
  lane: number;
  url: string;
  /** Path relative to the playlist's directory, query dropped. */
  name: string;
  kind: 'media' | 'part' | 'init';
  /** Part index, for kind 'part'. */
  part?: number;
  msn: number;
  discontinuity: number;
  durationMs: number;
  /** Byte range, end exclusive. */
  range?: [number, number];
  /** Name of the init segment that applies. */
  init?: string;
  /** Of the level, and of the one above if the player may climb to it: where an attached player tells them. */
  bitrateBps?: number | undefined;
  nextBps?: number | undefined;
  httpOnly: boolean;
  live: boolean;
  /** The page's `xhrSetup` makes the requests: bodies come whole, at their end. */
  ownSetup?: boolean;
}

/** How media requests of one load are made: captured from the player when `load()` was called. */
export interface RequestRecipe {
  headers: Record<string, string>;
  fetchSetup?: (context: unknown, init: RequestInit) => Request | Promise<Request>;
  xhrSetup?: (xhr: XMLHttpRequest, url: string, context: unknown) => void | Promise<void>;
  /** HLS.js's own loader context, for the setups. */
  context: unknown;
}

/** A failed media request, as plain HLS.js would have reported it. */
export interface HttpFault {
  /** HTTP status, 0 when there was no response. */
  status: number;
  text: string;
  /** The `Response` or `XMLHttpRequest`, or null. */
  details: unknown;
  timeout: boolean;
  /** Not the origin's fault, but a limit of the mesh: a plain GET may do. */
  limit?: boolean;
}

/** How a finished load is to be reported to ABR. */
export interface LoadReport {
  fromPeers: number;
  fromHttp: number;
  /** Rate in bit/s to report; null: HTTP only, report what was measured. */
  reportBps: number | null;
  reportTtfbMs: number;
  /** Kebab-case reason, for events and the debug line. */
  reason: string;
}

/** What a mesh tells the session that owns a load. Calls come from a task of their own, never from inside `load`. */
export interface LoadSink {
  /** HTTP bytes for this load arrived (usable at once). */
  httpBytes(count: number, total: number | null): void;
  /** Response head arrived for this load's own GET; `details` is the Response or XHR. */
  httpHead(status: number, finalUrl: string, details: unknown): void;
  /** So many bytes from peers or store are verified and usable. */
  progress(verified: number, total: number | null): void;
  /** Complete. `body` is fresh: HLS.js may detach it. */
  loaded(body: ArrayBuffer, report: LoadReport): void;
  /** Failed as plain HLS.js would have seen it fail. */
  failed(fault: HttpFault): void;
  /** The core answers for the load until then; null while HTTP has it. */
  due(at: number | null, reason: string): void;
  /** It goes over HTTP, at least from here on. */
  fellBack(reason: string): void;
  /** The core is dead or was closed: the session takes over. */
  dead(reason: string): void;
}

/** A live mesh core. Every method returns at once and never throws. */
export interface MeshPort {
  /** False once the core has died or was closed; then sessions stay plain. */
  readonly alive: boolean;
  /** Numbers a lane, telling the core on first sight. */
  lane(info: LaneInfo): number;
  /** Begins a load; returns its id for {@link abort}. */
  load(request: MeshRequest, recipe: RequestRecipe, sink: LoadSink): number;
  /** The session needs it no more (abort, takeover). */
  abort(id: number): void;
  /**
   * Offers a body that a plain session loaded, and gives it away; the mesh asks in that lane as the session did. `took`:
   * milliseconds to the first byte, and from there to the last.
   */
  offer(request: MeshRequest, body: ArrayBuffer, recipe?: RequestRecipe, took?: [number, number]): void;
  /** Reports from an attached player. */
  player(event: PlayerReport): void;
  /** Consent given or revoked. */
  consent(given: boolean): void;
  /** Snapshot of counters (`CoreStats`), the last one known when dead; null if there is none. */
  stats(): unknown;
  /** Events for the page: 'peer' | 'segment' | 'sharing' | 'warn' | 'dead'. */
  onEvent(listener: (name: string, detail: unknown) => void): void;
  /** Goodbye to peers, everything closed. Idempotent. */
  close(): void;
}

/** A segment that the player's own playlist names. */
export interface KnownSegment {
  msn: number;
  url: string;
  /** Byte range, end exclusive. */
  range?: [number, number];
  durationMs: number;
}

/** What an attached player tells. */
export type PlayerReport =
  | { type: 'buffer'; aheadMs: number; rate: number }
  | { type: 'playlist'; lane: number; targetMs: number; segments: KnownSegment[] }
  | { type: 'hidden'; hidden: boolean }
  | { type: 'stalled' }
  | { type: 'network'; saveData: boolean; cellular: boolean };

/** Loads the wasm module and starts a core. Rejects when that cannot be: the page then stays on plain HTTP. */
export type StartMesh = (options: CoreOptions, given?: AbortSignal) => Promise<MeshPort>;

/** Options of the core, already validated (see `config::Options` of meshedflow-core); `wasm` says where the module is. */
export interface CoreOptions {
  wasmUrl?: string | URL | Response | BufferSource | WebAssembly.Module;
  core: Record<string, unknown>;
}
