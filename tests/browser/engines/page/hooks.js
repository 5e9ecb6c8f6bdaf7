// Before any other script: what this page says, throws and opens, counted in the page itself, since not every driver can.

import './stand-in.js';
import './without-frames.js';

export const seen = { errors: [], console: [], sockets: 0, connections: [] };

addEventListener('error', (event) => seen.errors.push(`${event.message} ${(event.error && event.error.stack) || ''}`));
addEventListener('unhandledrejection', (event) => seen.errors.push(`unhandled: ${event.reason} ${(event.reason && event.reason.stack) || ''}`));

for (const level of ['debug', 'log', 'info', 'warn', 'error']) {
  const say = console[level];
  console[level] = (...words) => { seen.console.push(`${level}: ${words.map(String).join(' ')}`); say.apply(console, words); };
}

const Socket = window.WebSocket;
window.WebSocket = class extends Socket {
  constructor(...args) { super(...args); seen.sockets += 1; }
};

// `ms`: from the connection's making to its first open channel; null until then.
const Connection = window.RTCPeerConnection;
if (Connection) {
  window.RTCPeerConnection = class extends Connection {
    constructor(...args) {
      super(...args);
      this.__seen = { at: performance.now(), ms: null };
      seen.connections.push(this.__seen);
    }

    createDataChannel(...args) {
      const channel = super.createDataChannel(...args);
      const { __seen } = this;
      channel.addEventListener('open', () => { if (__seen.ms === null) __seen.ms = performance.now() - __seen.at; }, { once: true });
      return channel;
    }
  };
}
