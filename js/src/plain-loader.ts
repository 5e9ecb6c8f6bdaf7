/**
 * GETs exactly as HLS.js's default loader makes them, for pages where that class is out of reach: `loader:` holds ours,
 * and HLS.js exports its own only through a configuration we have not seen.
 *
 * Same order of calls on the XMLHttpRequest, same timers, same retry rules, same statistics as XhrLoader of HLS.js 1.6.
 */
import type {
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderContext,
  PlayerConfig,
  RetryConfig,
  XhrSetup,
} from './hls-types.js';
import { newStats } from './load-stats.js';

export class PlainLoader implements Loader {
  readonly stats = newStats();
  context: LoaderContext | null = null;
  /** Named as HLS.js names it: by this member a session knows which setup applies. */
  readonly xhrSetup: XhrSetup | null;
  private config: LoaderConfiguration | null = null;
  private callbacks: LoaderCallbacks | null = null;
  private xhr: XMLHttpRequest | null = null;
  private timer = 0;

  constructor(player?: PlayerConfig) {
    this.xhrSetup = (player?.xhrSetup as XhrSetup | undefined) || null;
  }

  load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks): void {
    if (this.stats.loading.start) throw new Error('Loader can only be used once.');
    this.stats.loading.start = performance.now();
    this.context = context;
    this.config = config;
    this.callbacks = callbacks;
    this.begin();
  }

  abort(): void {
    this.cancel();
    this.callbacks?.onAbort?.(this.stats, this.context as LoaderContext, this.xhr);
  }

  destroy(): void {
    this.callbacks = null;
    this.cancel();
    this.xhr = this.config = this.context = null;
  }

  getCacheAge(): number | null {
    const age = this.getResponseHeader('age');
    return age ? parseFloat(age) : null;
  }

  getResponseHeader(name: string): string | null {
    // Only numeric headers, and only if exposed: asking for a hidden one logs an error in the console.
    const line = new RegExp(`^${name}:\\s*[\\d.]+\\s*$`, 'im');
    return this.xhr && line.test(this.xhr.getAllResponseHeaders()) ? this.xhr.getResponseHeader(name) : null;
  }

  private begin(): void {
    const { context, stats, xhrSetup } = this;
    if (!context) return;
    const xhr = (this.xhr = new XMLHttpRequest());
    stats.loading.first = stats.loaded = 0;
    stats.aborted = false;
    if (!xhrSetup) return this.send(xhr);
    const current = () => this.xhr === xhr && !stats.aborted;
    const setup = () => (current() ? xhrSetup.call(this as never, xhr, context.url, context) : undefined);
    Promise.resolve()
      .then(setup)
      .catch(() => {
        // A setup written for an opened request throws on a fresh one: open it and ask again.
        if (current()) xhr.open('GET', context.url, true);
        return setup();
      })
      .then(() => {
        if (current()) this.send(xhr);
      })
      .catch((error: Error) => {
        this.callbacks?.onError({ code: xhr.status, text: error.message }, context, xhr, stats);
      });
    return;
  }

  private send(xhr: XMLHttpRequest): void {
    const context = this.context as LoaderContext;
    const { headers, rangeStart, rangeEnd } = context;
    if (!xhr.readyState) xhr.open('GET', context.url, true);
    for (const name in headers) xhr.setRequestHeader(name, headers[name] as string);
    if (rangeEnd) xhr.setRequestHeader('Range', `bytes=${rangeStart}-${rangeEnd - 1}`);
    xhr.onreadystatechange = () => this.changed(xhr);
    xhr.onprogress = (event) => {
      this.stats.loaded = event.loaded;
      if (event.lengthComputable) this.stats.total = event.total;
    };
    xhr.responseType = context.responseType as XMLHttpRequestResponseType;
    const config = this.config as LoaderConfiguration;
    this.arm((config.timeout = firstTimeout(config)));
    xhr.send();
  }

  private changed(xhr: XMLHttpRequest): void {
    const { config, stats } = this;
    if (!config || this.xhr !== xhr || stats.aborted || xhr.readyState < 2) return;
    const { loading } = stats;
    if (!loading.first) {
      loading.first = Math.max(performance.now(), loading.start);
      const { maxLoadTimeMs } = config.loadPolicy;
      if (config.timeout !== maxLoadTimeMs) {
        config.timeout = maxLoadTimeMs;
        this.arm(maxLoadTimeMs - (loading.first - loading.start));
      }
    }
    if (xhr.readyState === 4) this.finished(xhr, config);
  }

  private finished(xhr: XMLHttpRequest, config: LoaderConfiguration): void {
    const { stats } = this;
    const context = this.context as LoaderContext;
    clearTimeout(this.timer);
    xhr.onreadystatechange = xhr.onprogress = null;
    const code = xhr.status;
    const data: unknown = xhr.responseType === 'text' ? xhr.responseText : xhr.response;
    if (code >= 200 && code < 300 && data != null) {
      const end = (stats.loading.end = Math.max(performance.now(), stats.loading.first));
      const size = data as { byteLength?: number; length?: number };
      stats.loaded = stats.total = size.byteLength ?? size.length ?? 0;
      stats.bwEstimate = (stats.total * 8000) / Math.max(end - stats.loading.first, 1);
      this.callbacks?.onProgress?.(stats, context, data, xhr);
      this.callbacks?.onSuccess({ url: xhr.responseURL, data, code }, stats, context, xhr);
    } else if (!this.retry(config.loadPolicy.errorRetry, false, code)) {
      this.callbacks?.onError({ code, text: xhr.statusText }, context, xhr, stats);
    }
  }

  private expired(): void {
    const { callbacks, config, xhr } = this;
    if (!config || this.retry(config.loadPolicy.timeoutRetry, true)) return;
    this.cancel();
    callbacks?.onTimeout(this.stats, this.context as LoaderContext, xhr);
  }

  /** Schedules another attempt if the policy has one. */
  private retry(policy: RetryConfig | null | undefined, isTimeout: boolean, code?: number): boolean {
    const { stats } = this;
    const url = this.context?.url ?? '';
    const response = isTimeout ? undefined : { url, data: undefined, code: code as number };
    if (!policy || !mayRetry(policy, stats.retry, isTimeout, response)) return false;
    const factor = policy.backoff === 'linear' ? 1 : Math.pow(2, stats.retry);
    const delay = Math.min(factor * policy.retryDelayMs, policy.maxRetryDelayMs);
    stats.retry++;
    this.cancel();
    this.xhr = null;
    this.timer = setTimeout(() => this.begin(), delay) as unknown as number;
    return true;
  }

  private arm(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.expired(), ms) as unknown as number;
  }

  private cancel(): void {
    const { xhr } = this;
    clearTimeout(this.timer);
    if (!xhr) return;
    xhr.onreadystatechange = xhr.onprogress = null;
    if (xhr.readyState === 4) return;
    this.stats.aborted = true;
    xhr.abort();
  }
}

/** The timer at the start of a load: to the first byte, or for all of it. */
export function firstTimeout(config: LoaderConfiguration): number {
  const { maxTimeToFirstByteMs: first, maxLoadTimeMs } = config.loadPolicy;
  return first && Number.isFinite(first) ? first : maxLoadTimeMs;
}

function mayRetry(
  policy: RetryConfig,
  count: number,
  isTimeout: boolean,
  response: { url: string; data: undefined; code: number } | undefined,
): boolean {
  const code = response?.code;
  const offline = code === 0 && navigator.onLine === false;
  const retry = count < policy.maxNumRetry && (isTimeout || offline || (!!code && (code < 400 || code > 499)));
  return policy.shouldRetry ? policy.shouldRetry(policy, count, isTimeout, response, retry) : retry;
}
