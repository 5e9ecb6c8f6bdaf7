// A viewer's own line to the origin: the same URLs on another port, media bytes at a rate that may change at any moment.
// Everything else (pages, playlists, the edge's socket) passes as fast as it comes. Peers never pass here.

import http from 'node:http';
import net from 'node:net';

const MEDIA = /\.(m4s|mp4)$/;
/** Bytes handed on at once: small enough that a slow line drips and does not gush. */
const PIECE = 4096;
/** Timers are no finer than this; the clock below makes good what one oversleeps. */
const GRAIN_MS = 4;

export class Line {
  #target;
  #server = http.createServer((request, response) => this.#serve(request, response));
  #sockets = new Set();
  #freeAt = 0;
  #trap = null;
  /** Media bytes handed on. */
  bytes = 0;
  bps;
  delayMs;

  /** `bps`: bits per second of all media together; `delayMs`: before each answer with media. */
  static async open(target, { bps, delayMs = 30 }) {
    const line = new Line(target, bps, delayMs);
    await new Promise((resolve) => { line.#server.listen(0, '127.0.0.1', resolve); });
    line.url = `http://127.0.0.1:${line.#server.address().port}`;
    return line;
  }

  constructor(target, bps, delayMs) {
    this.#target = new URL(target);
    Object.assign(this, { bps, delayMs });
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /**
   * When `bytes` of the next answer that matches have passed, the line falls to `bps`. Resolves with the moment (Unix
   * milliseconds) at which it did.
   */
  fallsDuring(pattern, bytes, bps) {
    return new Promise((fell) => { this.#trap = { pattern, bytes, bps, fell, response: null, passed: 0 }; });
  }

  close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    return new Promise((resolve) => { this.#server.close(resolve); });
  }

  async #serve(request, response) {
    const url = new URL(request.url, this.#target);
    const media = MEDIA.test(url.pathname);
    if (media && this.delayMs) await pause(this.delayMs);
    const onward = http.request(url, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      if (media && answer.statusCode < 300) this.#pace(url.pathname, answer, response).catch(() => response.destroy());
      else answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  async #pace(path, answer, response) {
    if (this.#trap && !this.#trap.response && this.#trap.pattern.test(path)) this.#trap.response = response;
    for await (const chunk of answer) {
      for (let at = 0; at < chunk.length; at += PIECE) {
        const piece = chunk.subarray(at, at + PIECE);
        await this.#pass(piece.length);
        if (response.destroyed) return;
        response.write(piece);
        this.bytes += piece.length;
        this.#spring(response, piece.length);
      }
    }
    response.end();
  }

  #spring(response, bytes) {
    const trap = this.#trap;
    if (trap?.response !== response || (trap.passed += bytes) < trap.bytes) return;
    this.#trap = null;
    this.bps = trap.bps;
    trap.fell(Date.now());
  }

  /** Waits until the line has carried all before these bytes, and takes it for them. */
  async #pass(bytes) {
    const now = performance.now();
    this.#freeAt = Math.max(this.#freeAt, now) + (bytes * 8000) / this.bps;
    if (this.#freeAt - now > GRAIN_MS) await pause(this.#freeAt - now);
  }

  #upgrade(request, socket, head) {
    const onward = net.connect(Number(this.#target.port), this.#target.hostname, () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let i = 0; i < request.rawHeaders.length; i += 2) lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
      onward.write(`${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    const over = () => { this.#sockets.delete(socket); socket.destroy(); onward.destroy(); };
    this.#sockets.add(socket);
    for (const end of [socket, onward]) end.on('error', over).on('close', over);
  }
}

function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
