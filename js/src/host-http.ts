/**
 * GETs for the core: media as the player would ask for it, lists, keys and policy without credentials.
 *
 * With company a body is read as it arrives, so that others get their share of it at once. Alone, and with an
 * `xhrSetup`, an XMLHttpRequest is used exactly as HLS.js uses it, and the bytes come at the end.
 */
import { BLOB_LIMIT } from './blobs.js';
import type { HttpFault, RequestRecipe } from './mesh-port.js';
import { mutant } from './mutants.js';

/** What a GET is for, numbered as in `crates/wasm/src/perform.rs`. */
export const enum Purpose {
  Media = 0,
  Elected = 1,
  Rescue = 2,
  List = 3,
  Keys = 4,
  Policy = 5,
}

/** How a GET ended, numbered as in `crates/wasm/src/lib.rs`; other numbers are HTTP statuses. */
export const enum Failure {
  None = 0,
  Network = 1,
  Timeout = 2,
  TooLong = 3,
}

export interface HttpJob {
  http: number;
  url: string;
  /** End exclusive. */
  range: [number, number] | undefined;
  /** How the player asks; undefined for what is not media. */
  recipe: RequestRecipe | undefined;
  /** Whether the body is delivered in chunks, or whole. */
  chunks: boolean;
  /** Without a player's load that has limits of its own, a silent server is given up. */
  limited: boolean;
  /** Somebody may want the bytes before all are here. */
  streamed: boolean;
}

/** What becomes of a GET. After `end` or `body` nothing more comes; after an abort nothing at all. */
export interface HttpEvents {
  /** `length` is of the coded body where a coding may be hidden from the page; then it is not `exact`. */
  head(http: number, status: number, length: number | null, exact: boolean, finalUrl: string, details: unknown): void;
  chunk(http: number, bytes: Uint8Array): boolean;
  /** An XMLHttpRequest has this many bytes; they come later. */
  loading(http: number, loaded: number, total: number | null): void;
  /** All bytes of an XMLHttpRequest. */
  whole(http: number, bytes: Uint8Array): void;
  body(http: number, bytes: Uint8Array): void;
  end(http: number, failure: number, fault: HttpFault | null): void;
}

interface Running extends HttpJob {
  aborter: AbortController;
  xhr?: XMLHttpRequest;
  timer: number;
  /** Of the head. */
  status: number;
  received: number;
  pieces: Uint8Array[];
  details: unknown;
}

const DOCUMENT_LIMIT = 4 * 1024 * 1024;
const SILENCE_MS = 10_000;

export class HttpClient {
  private readonly running = new Map<number, Running>();
  /** The page's own `fetch` did not bring media that an XMLHttpRequest may. */
  private fetchFails = false;

  constructor(private readonly events: HttpEvents) {}

  get(job: HttpJob): void {
    const running: Running = { ...job, aborter: new AbortController(), timer: 0, status: 0, received: 0, pieces: [], details: null };
    this.running.set(job.http, running);
    this.heard(running);
    const { recipe } = job;
    if (recipe && !recipe.fetchSetup && (recipe.xhrSetup || !job.streamed || this.fetchFails)) this.byXhr(running, recipe);
    else this.byFetch(running).catch((error: unknown) => this.fetchFailed(running, error));
  }

  abort(http: number): void {
    const job = this.running.get(http);
    if (!job) return;
    this.drop(job);
    job.aborter.abort();
    job.xhr?.abort();
  }

  close(): void {
    for (const http of [...this.running.keys()]) this.abort(http);
  }

  /**
   * HLS.js asks with XMLHttpRequest, so a `fetch` that the page replaced by one that cannot do this must not matter.
   * What the network refuses, it refuses both.
   */
  private fetchFailed(job: Running, error: unknown): void {
    const { recipe } = job;
    if (!this.lives(job) || job.received || !recipe || recipe.fetchSetup || isNative(fetch) || mutant('trust-fetch')) {
      return this.fail(job, Failure.Network, 0, String(error));
    }
    this.fetchFails = true;
    this.byXhr(job, recipe);
  }

  private async byFetch(job: Running): Promise<void> {
    const response = await fetch(...(await requestOf(job)));
    if (!this.lives(job)) return;
    this.heard(job);
    job.details = response;
    if (!job.recipe?.fetchSetup) likeXhr(response);
    if (!response.ok) {
      // HLS.js's own loader reads what an error says, too, and so keeps the connection.
      if (job.recipe) await response.arrayBuffer();
      else job.aborter.abort();
      return this.fail(job, response.status, response.status, response.statusText);
    }
    const { headers, status, url } = response;
    const length = lengthOf(headers);
    if (length && length > BLOB_LIMIT) {
      this.fail(job, Failure.TooLong, 0, 'body too long');
      return job.aborter.abort();
    }
    job.status = status;
    this.events.head(job.http, status, length, tellsCoding(url), url, response);
    const reader = response.body?.getReader();
    if (!reader) {
      const whole = new Uint8Array(await response.arrayBuffer());
      if (this.lives(job) && this.take(job, whole)) this.done(job);
      return;
    }
    for (;;) {
      const { done, value } = await reader.read();
      if (!this.lives(job)) return;
      if (done) return this.done(job);
      this.heard(job);
      if (!this.take(job, value)) return job.aborter.abort();
    }
  }

  /** The order of calls on the request is that of HLS.js's XhrLoader. */
  private byXhr(job: Running, recipe: RequestRecipe): void {
    const xhr = (job.xhr = new XMLHttpRequest());
    job.details = xhr;
    if (!recipe.xhrSetup) return this.send(job, recipe, xhr);
    const setup = () => (this.lives(job) ? recipe.xhrSetup?.(xhr, job.url, contextOf(job, recipe)) : undefined);
    Promise.resolve()
      .then(setup)
      .catch(() => {
        if (this.lives(job)) xhr.open('GET', job.url, true);
        return setup();
      })
      .then(() => this.lives(job) && this.send(job, recipe, xhr))
      .catch((error: unknown) => this.fail(job, Failure.Network, xhr.status, String(error)));
  }

  private send(job: Running, recipe: RequestRecipe, xhr: XMLHttpRequest): void {
    if (!xhr.readyState) xhr.open('GET', job.url, true);
    for (const name of Object.keys(recipe.headers)) xhr.setRequestHeader(name, recipe.headers[name] as string);
    if (job.range) xhr.setRequestHeader('Range', rangeHeader(job.range));
    // No other handlers: those are the page's, which may have set them in its setup.
    xhr.onreadystatechange = () => this.changed(job, xhr);
    xhr.onprogress = ({ loaded, total, lengthComputable }) => {
      this.heard(job);
      if (this.lives(job) && isGood(xhr)) this.events.loading(job.http, loaded, lengthComputable ? total : null);
    };
    xhr.responseType = 'arraybuffer';
    xhr.send();
  }

  private changed(job: Running, xhr: XMLHttpRequest): void {
    if (!this.lives(job)) return;
    const { readyState, responseURL, status } = xhr;
    if (readyState === 2 && isGood(xhr)) {
      const length = lengthOf({ get: (name) => (xhr.getAllResponseHeaders().toLowerCase().includes(name) ? xhr.getResponseHeader(name) : null) });
      job.status = status;
      this.events.head(job.http, status, length, tellsCoding(responseURL), responseURL, xhr);
    }
    if (readyState !== 4) return;
    xhr.onreadystatechange = xhr.onprogress = null;
    // Also where the page gave it up, or its own limit passed: then the status is 0.
    if (!isGood(xhr) || !xhr.response) return this.fail(job, status || Failure.Network, status, xhr.statusText);
    const body = new Uint8Array(xhr.response as ArrayBuffer);
    job.received = body.length;
    this.events.whole(job.http, body);
    this.done(job);
  }

  /** False if the body is longer than it may be; the request has failed then. */
  private take(job: Running, chunk: Uint8Array): boolean {
    job.received += chunk.length;
    if (job.received > (job.chunks ? BLOB_LIMIT : DOCUMENT_LIMIT)) {
      this.fail(job, Failure.TooLong, 0, 'body too long');
      return false;
    }
    if (!job.chunks) job.pieces.push(chunk);
    else if (chunk.length && !this.events.chunk(job.http, chunk)) this.drop(job);
    return this.lives(job);
  }

  private done(job: Running): void {
    // An empty body is an error; the core could only ask again.
    if (job.chunks && !job.received) return this.fail(job, Failure.Network, job.status, 'empty response body');
    this.drop(job);
    if (job.chunks) return this.events.end(job.http, Failure.None, null);
    const body = new Uint8Array(job.received);
    let at = 0;
    for (const piece of job.pieces) {
      body.set(piece, at);
      at += piece.length;
    }
    this.events.body(job.http, body);
  }

  private fail(job: Running, failure: number, status: number, text: string): void {
    if (!this.lives(job)) return;
    this.drop(job);
    const fault = { status, text, details: job.details, timeout: failure === Failure.Timeout, limit: failure === Failure.TooLong };
    this.events.end(job.http, failure, fault);
  }

  private heard(job: Running): void {
    clearTimeout(job.timer);
    if (!job.limited || !this.lives(job)) return;
    job.timer = setTimeout(() => {
      this.fail(job, Failure.Timeout, 0, `nothing came for ${SILENCE_MS} ms`);
      job.aborter.abort();
      job.xhr?.abort();
    }, SILENCE_MS) as unknown as number;
  }

  private lives(job: Running): boolean {
    return this.running.get(job.http) === job;
  }

  private drop(job: Running): void {
    clearTimeout(job.timer);
    if (this.lives(job)) this.running.delete(job.http);
  }
}

function isGood({ status }: XMLHttpRequest): boolean {
  return status >= 200 && status < 300;
}

/** Pages read HLS.js's `networkDetails` as the XMLHttpRequest that it is there. */
function likeXhr(response: Response): void {
  const { headers, url } = response;
  Object.assign(response, {
    readyState: 4,
    responseURL: url,
    getResponseHeader: (name: string) => headers.get(name),
    getAllResponseHeaders: () => Array.from(headers as never as Iterable<string[]>, (line) => `${line.join(': ')}\r\n`).join(''),
  });
}

/** A URL and how to ask for it: what wraps `fetch` may not know what a Request is. */
async function requestOf(job: Running): Promise<[string | Request, RequestInit?]> {
  const { url, range, recipe } = job;
  const { signal } = job.aborter;
  const headers = new Headers(recipe?.headers);
  if (range) headers.set('Range', rangeHeader(range));
  if (!recipe) return [url, { mode: 'cors', credentials: 'omit', redirect: 'error', signal, headers }];
  const init: RequestInit = { method: 'GET', mode: 'cors', credentials: 'same-origin', signal, headers };
  return recipe.fetchSetup ? [await recipe.fetchSetup(contextOf(job, recipe), init)] : [url, init];
}

/** HLS.js's context as its setups expect it, for the URL and range that are asked for now. */
function contextOf(job: Running, recipe: RequestRecipe): object {
  const [rangeStart, rangeEnd] = job.range ?? [];
  return Object.assign({}, recipe.context, { url: job.url, rangeStart, rangeEnd });
}

function rangeHeader([first, end]: [number, number]): string {
  return `bytes=${first}-${end - 1}`;
}

/** The body's length, where it is told and no content coding makes it another one. */
function lengthOf(headers: { get(name: string): string | null }): number | null {
  const length = headers.get('content-encoding') ? null : headers.get('content-length');
  return length && /^\d+$/.test(length) ? Number(length) : null;
}

/** Other origins seldom let a page see whether a body was coded: its length is then another than the header's. */
function tellsCoding(url: string): boolean {
  return url.startsWith(`${location.origin}/`);
}

function isNative(fn: unknown): boolean {
  return /\[native code\]/.test(Function.prototype.toString.call(fn));
}
