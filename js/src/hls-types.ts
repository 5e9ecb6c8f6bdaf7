/**
 * The parts of HLS.js 1.5 to 1.7 that a fragment loader meets, described by shape: the SDK imports nothing from
 * HLS.js, so one build serves every version, however the page loaded it.
 */

export interface LoaderStats {
  aborted: boolean;
  loaded: number;
  retry: number;
  total: number;
  chunkCount: number;
  bwEstimate: number;
  loading: { start: number; first: number; end: number };
  parsing: { start: number; end: number };
  buffering: { start: number; first: number; end: number };
}

/** A segment of a playlist, or an LL-HLS part of one. */
export interface Segment {
  /** Playlist URL after redirects (1.5 and 1.6; a getter in 1.7). */
  baseurl?: string;
  /** The same since 1.7. */
  base?: { url: string };
  relurl?: string;
  url?: string | null;
  byteRange?: number[];
  duration?: number;
  stats?: unknown;
}

export interface Fragment extends Segment {
  sn: number | 'initSegment';
  cc?: number;
  type: string;
  level?: number;
  bitrateTest?: boolean;
  initSegment?: Segment | null;
}

export interface Part extends Segment {
  index: number;
}

export interface LoaderContext {
  url: string;
  responseType: string;
  headers?: Record<string, string>;
  rangeStart?: number;
  rangeEnd?: number;
  frag?: Fragment;
  part?: Part | null;
  keyInfo?: unknown;
}

export interface RetryConfig {
  maxNumRetry: number;
  retryDelayMs: number;
  maxRetryDelayMs: number;
  backoff?: 'exponential' | 'linear';
  shouldRetry?: (
    config: RetryConfig | null | undefined,
    count: number,
    isTimeout: boolean,
    response: LoaderResponse | undefined,
    retry: boolean,
  ) => boolean;
}

export interface LoadPolicy {
  maxTimeToFirstByteMs: number;
  maxLoadTimeMs: number;
  timeoutRetry: RetryConfig | null;
  errorRetry: RetryConfig | null;
}

export interface LoaderConfiguration {
  loadPolicy: LoadPolicy;
  /** The timer in force; HLS.js quotes it in its error texts, so loaders keep it true. */
  timeout: number;
  maxRetry: number;
  retryDelay: number;
  maxRetryDelay: number;
  highWaterMark?: number;
}

export interface LoaderResponse {
  url: string;
  data?: unknown;
  code?: number;
  text?: string;
}

export interface LoaderCallbacks {
  onSuccess(response: LoaderResponse, stats: LoaderStats, context: LoaderContext, details: unknown): void;
  onError(error: { code: number; text: string }, context: LoaderContext, details: unknown, stats: LoaderStats): void;
  onTimeout(stats: LoaderStats, context: LoaderContext, details: unknown): void;
  onAbort?(stats: LoaderStats, context: LoaderContext, details: unknown): void;
  onProgress?(stats: LoaderStats, context: LoaderContext, data: unknown, details: unknown): void;
}

export interface Loader {
  stats: LoaderStats;
  context: LoaderContext | null;
  load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks): void;
  abort(): void;
  destroy(): void;
  getCacheAge?(): number | null;
  getResponseHeader?(name: string): string | null;
}

export type XhrSetup = (xhr: XMLHttpRequest, url: string, context: unknown) => void | Promise<void>;
export type FetchSetup = (context: unknown, init: RequestInit) => Request | Promise<Request>;

/** What the SDK reads of `hls.config`. */
export interface PlayerConfig {
  loader?: unknown;
  fLoader?: unknown;
  xhrSetup?: unknown;
  fetchSetup?: unknown;
  cmcd?: unknown;
}

export interface LevelDetails {
  url: string;
  live: boolean;
  targetduration: number;
  fragments: Array<Fragment | null>;
}

/** A level, audio or subtitle track; `details` once its playlist was loaded. */
export interface Track {
  bitrate?: number;
  details?: LevelDetails;
}

/** What the SDK uses of a player. */
export interface Player {
  config: PlayerConfig;
  userConfig?: PlayerConfig | null;
  url?: string | null;
  media?: HTMLMediaElement | null;
  levels?: Track[];
  audioTracks?: Track[];
  subtitleTracks?: Track[];
  bandwidthEstimate?: number;
  autoLevelEnabled?: boolean;
  maxAutoLevel?: number;
  on(event: string, listener: (event: string, data: never) => void): void;
  off(event: string, listener: (event: string, data: never) => void): void;
}

/** Whether a request is for media: a segment, a part or an init segment. Holds on every version, `context.type` does not. */
export function isFragment(context: LoaderContext): context is LoaderContext & { frag: Fragment } {
  return !!context.frag && !context.keyInfo && context.responseType === 'arraybuffer';
}
