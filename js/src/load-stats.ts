/**
 * The statistics by which HLS.js judges the network.
 *
 * HLS.js takes one bandwidth sample per segment from these numbers. A cache hit told as it happened would look like an
 * absurdly fast network, a wait for a peer like a slow one; either way the player would pick the wrong level. So a load
 * that came over HTTP is reported as measured, and any other as if its bytes had flowed at the rate the core computed.
 */
import type { LoaderStats } from './hls-types.js';

/** A complete zeroed object: HLS.js keeps the reference it is given first, and breaks on a missing member. */
export function newStats(): LoaderStats {
  return {
    aborted: false,
    loaded: 0,
    retry: 0,
    total: 0,
    chunkCount: 0,
    bwEstimate: 0,
    loading: { start: 0, first: 0, end: 0 },
    parsing: { start: 0, end: 0 },
    buffering: { start: 0, first: 0, end: 0 },
  };
}

/**
 * Tells of progress while loading, monotonic. `loaded` stays below `total` until the end: equality makes the player's
 * abandon rule look away.
 */
export function tellProgress(stats: LoaderStats, now: number, loaded: number, total: number | null): void {
  if (total && total > stats.total) stats.total = total;
  // More bytes than there should be: the length was that of a coded body, and the true one is unknown.
  if (loaded > stats.total) stats.total = 0;
  const cap = stats.total ? stats.total - 1 : loaded;
  stats.loaded = Math.max(stats.loaded, Math.min(loaded, cap));
  if (loaded > 0) tellFirst(stats, now);
}

/** Marks the first byte, once, never before the start. */
export function tellFirst(stats: LoaderStats, now: number): void {
  if (!stats.loading.first) stats.loading.first = Math.max(now, stats.loading.start);
}

/** Ends the report as measured: the bytes came over HTTP, asked for at `since` (the start, unless peers were tried first). */
export function tellMeasured(stats: LoaderStats, now: number, bytes: number, since: number, first: number): void {
  const end = Math.max(now, since);
  const begin = Math.min(Math.max(first || end, since), end);
  write(stats, bytes, since, begin, end);
}

/**
 * Ends the report as if the bytes had flowed at `bitsPerSecond`: all or some came from peers or the store. The time to the
 * first byte was what it was, but at most `ttfbMs`, what HTTP needs: a longer wait was ours and not the network's.
 */
export function tellAtRate(stats: LoaderStats, now: number, bytes: number, bitsPerSecond: number, ttfbMs: number): void {
  const end = Math.max(now, MIN_TIME);
  const { loading } = stats;
  const wait = Math.min(Math.max((loading.first || end) - loading.start, 0), ttfbMs > 0 ? ttfbMs : 0);
  const transfer = bitsPerSecond > 0 ? (bytes * 8000) / bitsPerSecond : end - loading.first;
  const first = Math.max(end - (transfer || 0), MIN_TIME);
  const start = Math.max(first - wait, MIN_TIME);
  write(stats, bytes, start, first, end);
}

/** HLS.js 1.7 divides by the transfer time, which a coarse clock may round to nothing; the estimate stays a number. */
export function keepEstimateFinite(stats: LoaderStats, bytes: number): void {
  if (!Number.isFinite(stats.bwEstimate)) stats.bwEstimate = bytes * 8000;
}

/** The least time HLS.js is ever told: 0 means "not begun" to it. */
const MIN_TIME = 0.001;

function write(stats: LoaderStats, bytes: number, start: number, first: number, end: number): void {
  const { loading } = stats;
  loading.start = Math.max(start, MIN_TIME);
  loading.first = Math.max(first, loading.start);
  loading.end = Math.max(end, loading.first);
  stats.loaded = stats.total = bytes;
  const ms = loading.end - loading.first;
  if (ms > 0) stats.bwEstimate = (bytes * 8000) / ms;
}
