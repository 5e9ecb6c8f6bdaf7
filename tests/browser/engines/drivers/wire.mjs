// JSON over a WebSocket, as the DevTools protocol and WebDriver BiDi both speak it: numbered calls, answers, events.

import WebSocket from 'ws';

const CALL_LIMIT_MS = 20_000;

export class Wire {
  #socket;
  #calls = new Map(); // id -> {method, resolve, reject, late}
  #listeners = [];
  #last = 0;

  static open(url) {
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 0 });
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(new Wire(socket)));
      socket.once('error', reject);
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (text) => this.#hear(JSON.parse(text)));
    socket.on('error', () => {});
    socket.on('close', () => this.#lost());
  }

  /** `more`: members beside id, method and params, such as a session's id. */
  call(method, params = {}, more = {}) {
    const id = (this.#last += 1);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#settle(id, { error: `no answer within ${CALL_LIMIT_MS} ms` }), CALL_LIMIT_MS);
      this.#calls.set(id, { method, resolve, reject, late });
      this.#socket.send(JSON.stringify({ id, method, params, ...more }));
    });
  }

  /** `listener(message)` for every message that answers no call. */
  on(listener) { this.#listeners.push(listener); }

  close() { this.#socket.terminate(); }

  #hear(message) {
    if (message.id) this.#settle(message.id, message);
    else for (const listener of this.#listeners) listener(message);
  }

  #settle(id, { result, error, message }) {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    clearTimeout(call.late);
    if (error) call.reject(new Error(`${call.method}: ${message ?? error.message ?? error}`));
    else call.resolve(result);
  }

  #lost() {
    for (const id of [...this.#calls.keys()]) this.#settle(id, { error: 'the browser closed the connection' });
  }
}
