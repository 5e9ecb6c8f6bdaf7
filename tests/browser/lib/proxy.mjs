// A faulty road between the browser and the demo: the same URLs on another port, with rules that break some of them.
// Every rule counts its hits, so that a test can show that its fault really happened.

import http from 'node:http';
import net from 'node:net';
import { gzipSync } from 'node:zlib';

/**
 * What becomes of an answer; all members may be absent.
 * @typedef {object} Shape
 * @property {number} [status] answered at once, the demo is not asked
 * @property {string} [redirect] 302 to the same path on this host
 * @property {number} [delayMs] before anything is answered
 * @property {number} [stallAt] silence for ever after so many bytes of the body; -1: before the head
 * @property {number} [resetAt] the connection is reset after so many bytes; -1: before the head
 * @property {number} [bytesPerS] the body comes at this rate
 * @property {number} [overstate] `Content-Length` promises so many bytes more than come
 * @property {number} [cut] so many bytes are missing at the end, and no length tells
 * @property {number} [extra] so many bytes too many, and the length tells them, too
 * @property {boolean} [empty] a body of no bytes
 * @property {boolean} [ignoreRange] the whole body with 200, whatever was asked
 * @property {boolean} [gzip] content coding gzip
 */

export class FaultProxy {
  #target;
  #rules = [];
  #sockets = new Set();
  #edges = new Map();
  #refusing = false;
  #server = http.createServer((request, response) => this.#serve(request, response));
  hits = new Map();
  refusedSockets = 0;
  cutSockets = 0;

  /** Requests so far, by rule, viewer and path. */
  #asked = new Map();
  /** Another host: exposes no headers to pages, and refuses preflights with 405, as many CDNs do. */
  bare = false;

  static async start(target) {
    const proxy = new FaultProxy(target);
    // On all interfaces: only loopback is a secure context without TLS.
    await new Promise((resolve) => proxy.#server.listen(0, '0.0.0.0', resolve));
    proxy.port = proxy.#server.address().port;
    proxy.url = `http://127.0.0.1:${proxy.port}`;
    return proxy;
  }

  constructor(target) {
    this.#target = new URL(target);
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  // Of two rules that match, the newer one holds.

  /** Answers matching requests with `status` and never asks the demo. */
  refuse(name, pattern, status = 404) {
    this.#rules.unshift({ name, pattern, answer: () => ({ status, body: Buffer.from(`refused: ${name}\n`), type: 'text/plain' }) });
  }

  /** Answers matching requests with what `make(url)` returns: `{body, type?, status?}`; null passes the request on. */
  answer(name, pattern, make) {
    this.#rules.unshift({ name, pattern, answer: make });
  }

  /** Hands bodies of matching requests through `change(body, url)`; null leaves one as it is and is no hit. */
  rewrite(name, pattern, change) {
    this.#rules.unshift({ name, pattern, change });
  }

  /**
   * Shapes answers to matching requests: `choose({viewer, nth, url, range})` gives a {@link Shape} or null; `viewer` is
   * its name, `nth` counts its requests for this path, beginning with 1.
   */
  shape(name, pattern, choose) {
    this.#rules.unshift({ name, pattern, choose });
  }

  /** Takes one rule away again. */
  drop(name) {
    this.#rules = this.#rules.filter((rule) => rule.name !== name);
  }

  /** How often a rule struck; only for one viewer if its name is given. */
  hit(name, viewer) { return this.hits.get(viewer ? `${name} ${viewer}` : name) ?? 0; }

  /** The edge dies: open sockets are cut, new ones refused until {@link restoreEdge}. */
  killEdge() {
    this.#refusing = true;
    this.cutSockets += this.#sockets.size;
    for (const socket of this.#sockets) socket.destroy();
  }

  restoreEdge() { this.#refusing = false; }

  /** Hands upgrades of this path to `edge.take(request, socket, head)` (see edges.mjs) instead of the demo. */
  edge(path, edge) { this.#edges.set(path, edge); }

  get openSockets() { return this.#sockets.size; }

  stop() {
    this.#refusing = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request, response) {
    const url = new URL(request.url, this.#target);
    const viewer = viewerOf(request);
    if (this.bare && request.method === 'OPTIONS') {
      this.#count({ name: 'preflight' }, viewer);
      response.writeHead(405, { allow: 'GET, HEAD', 'content-length': 0 });
      return response.end();
    }
    const rule = this.#rules.find((each) => each.pattern.test(url.pathname));
    try {
      const made = await rule?.answer?.(url);
      if (made) return this.#reply(rule, response, made, viewer);
      const shape = rule?.choose && this.#chosen(rule, request, url, viewer);
      if (shape) return this.#shaped(shape, request, response, url);
      return this.#forward(request, response, url, rule?.change ? rule : null);
    } catch (error) {
      response.destroy(error);
    }
  }

  #reply(rule, response, { status = 200, body, type = 'application/octet-stream', headers = {} }, viewer) {
    this.#count(rule, viewer);
    response.writeHead(status, { 'content-type': type, 'content-length': body.length, 'cache-control': 'no-store', 'access-control-allow-origin': '*', ...headers });
    response.end(body);
  }

  #chosen(rule, request, url, viewer) {
    const key = `${rule.name} ${viewer} ${url.pathname}`;
    const nth = (this.#asked.get(key) ?? 0) + 1;
    this.#asked.set(key, nth);
    const shape = rule.choose({ viewer, nth, url, range: request.headers.range ?? null });
    if (shape) this.#count(rule, viewer);
    return shape;
  }

  async #shaped(shape, request, response, url) {
    if (shape.delayMs) await pause(shape.delayMs);
    if (shape.stallAt < 0) return;
    if (shape.resetAt < 0) return void response.socket.resetAndDestroy();
    const allowed = { 'access-control-allow-origin': '*' };
    if (shape.status) return void response.writeHead(shape.status, { ...allowed, 'content-type': 'text/plain', 'content-length': 0 }).end();
    if (shape.redirect) return void response.writeHead(302, { ...allowed, location: new URL(url.pathname + url.search, shape.redirect).href, 'content-length': 0 }).end();
    const headers = { ...request.headers };
    delete headers['accept-encoding'];
    if (shape.ignoreRange) delete headers.range;
    const answer = await this.#fetch(request.method, url, headers);
    await send(response, shape, answer, this.bare);
  }

  #fetch(method, url, headers) {
    return new Promise((resolve, reject) => {
      http.request(url, { method, headers }, async (answer) => {
        const chunks = [];
        for await (const chunk of answer) chunks.push(chunk);
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) });
      }).on('error', reject).end();
    });
  }

  #forward(request, response, url, rule) {
    const headers = { ...request.headers };
    if (rule) delete headers['if-none-match'];
    const onward = http.request(url, { method: request.method, headers }, (answer) => {
      if (rule && answer.statusCode === 200) return this.#changed(rule, url, answer, response);
      response.writeHead(answer.statusCode, this.bare ? hidden(answer.headers) : answer.headers);
      answer.pipe(response);
      return undefined;
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  async #changed(rule, url, answer, response) {
    const chunks = [];
    for await (const chunk of answer) chunks.push(chunk);
    const whole = Buffer.concat(chunks);
    const changed = rule.change(whole, url);
    if (changed) this.#count(rule, null);
    const body = changed ?? whole;
    const headers = { ...answer.headers, 'content-length': body.length };
    delete headers['transfer-encoding'];
    if (changed) delete headers.etag;
    response.writeHead(answer.statusCode, headers);
    response.end(body);
  }

  #upgrade(request, socket, head) {
    const edge = this.#edges.get(new URL(request.url, this.#target).pathname);
    if (edge) {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      edge.take(request, socket, head);
      return;
    }
    if (this.#refusing) {
      this.refusedSockets += 1;
      socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const onward = net.connect(Number(this.#target.port), this.#target.hostname, () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let i = 0; i < request.rawHeaders.length; i += 2) lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
      onward.write(`${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    this.#sockets.add(socket);
    const over = () => { this.#sockets.delete(socket); socket.destroy(); onward.destroy(); };
    for (const end of [socket, onward]) end.on('error', over).on('close', over);
  }

  #count({ name }, viewer) {
    for (const key of viewer ? [name, `${name} ${viewer}`] : [name]) this.hits.set(key, (this.hits.get(key) ?? 0) + 1);
  }
}

/** The viewer who asks, as {@link Viewers.open} wrote it into its browser's name. */
function viewerOf(request) {
  return /viewer\/(\S+)/.exec(request.headers['user-agent'] ?? '')?.[1] ?? null;
}

const SLICE_MS = 50;

/** Sends a body as `shape` has it. */
async function send(response, shape, { status, headers: theirs, body: whole }, bare) {
  const headers = { ...(bare ? hidden(theirs) : theirs) };
  delete headers['transfer-encoding'];
  let body = whole;
  if (shape.empty) body = Buffer.alloc(0);
  if (shape.extra) body = Buffer.concat([body, Buffer.alloc(shape.extra)]);
  if (shape.gzip) { body = gzipSync(body); headers['content-encoding'] = 'gzip'; }
  headers['content-length'] = body.length + (shape.overstate ?? 0);
  if (shape.cut) { body = body.subarray(0, body.length - shape.cut); delete headers['content-length']; }
  response.writeHead(status, headers);
  const end = Math.min(shape.stallAt ?? Infinity, shape.resetAt ?? Infinity, body.length);
  const step = shape.bytesPerS ? Math.max(1, Math.round((shape.bytesPerS * SLICE_MS) / 1000)) : Math.max(1, end);
  response.flushHeaders();
  for (let at = 0; at < end && !response.destroyed; at += step) {
    response.write(body.subarray(at, Math.min(at + step, end)));
    if (shape.bytesPerS) await pause(SLICE_MS);
  }
  if (shape.stallAt !== undefined) return;
  // What was written must have left before the connection goes.
  if (shape.resetAt !== undefined) return void setTimeout(() => response.socket?.resetAndDestroy(), SLICE_MS);
  if (shape.overstate) return void setTimeout(() => response.socket?.end(), SLICE_MS);
  response.end();
}

/** Headers as a host sends them that lets pages read bodies and nothing else. */
function hidden(headers) {
  const kept = { ...headers, 'access-control-allow-origin': '*' };
  for (const name of Object.keys(kept)) if (/^access-control-(?!allow-origin)|^timing-allow/.test(name)) delete kept[name];
  return kept;
}

function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
