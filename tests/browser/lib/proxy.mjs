// A faulty road between the browser and the demo: the same URLs on another port, with rules that break some of them.
// Every rule counts its hits, so that a test can show that its fault really happened.

import http from 'node:http';
import net from 'node:net';

export class FaultProxy {
  #target;
  #rules = [];
  #sockets = new Set();
  #refusing = false;
  #server = http.createServer((request, response) => this.#serve(request, response));
  hits = new Map();
  refusedSockets = 0;
  cutSockets = 0;

  static async start(target) {
    const proxy = new FaultProxy(target);
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
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

  /** Takes one rule away again. */
  drop(name) {
    this.#rules = this.#rules.filter((rule) => rule.name !== name);
  }

  hit(name) { return this.hits.get(name) ?? 0; }

  /** The edge dies: open sockets are cut, new ones refused until {@link restoreEdge}. */
  killEdge() {
    this.#refusing = true;
    this.cutSockets += this.#sockets.size;
    for (const socket of this.#sockets) socket.destroy();
  }

  restoreEdge() { this.#refusing = false; }

  get openSockets() { return this.#sockets.size; }

  stop() {
    this.#refusing = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request, response) {
    const url = new URL(request.url, this.#target);
    const rule = this.#rules.find((each) => each.pattern.test(url.pathname));
    try {
      const made = await rule?.answer?.(url);
      if (made) return this.#reply(rule, response, made);
      return this.#forward(request, response, url, rule?.change ? rule : null);
    } catch (error) {
      response.destroy(error);
    }
  }

  #reply(rule, response, { status = 200, body, type = 'application/octet-stream' }) {
    this.#count(rule);
    response.writeHead(status, { 'content-type': type, 'content-length': body.length, 'cache-control': 'no-store' });
    response.end(body);
  }

  #forward(request, response, url, rule) {
    const headers = { ...request.headers };
    if (rule) delete headers['if-none-match'];
    const onward = http.request(url, { method: request.method, headers }, (answer) => {
      if (rule && answer.statusCode === 200) return this.#changed(rule, url, answer, response);
      response.writeHead(answer.statusCode, answer.headers);
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
    if (changed) this.#count(rule);
    const body = changed ?? whole;
    const headers = { ...answer.headers, 'content-length': body.length };
    delete headers['transfer-encoding'];
    if (changed) delete headers.etag;
    response.writeHead(answer.statusCode, headers);
    response.end(body);
  }

  #upgrade(request, socket, head) {
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

  #count(rule) { this.hits.set(rule.name, (this.hits.get(rule.name) ?? 0) + 1); }
}
