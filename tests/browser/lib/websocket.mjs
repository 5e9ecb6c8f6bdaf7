// WebSocket (RFC 6455), both ends, over Node's own sockets: enough for an edge that lies and for reading the true one.
// No extensions, no fragmented messages: neither browsers nor the edge send any of this size.

import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Answers an upgrade request; the returned end is open. */
export function accept(request, socket, head) {
  const key = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${key}\r\n\r\n`);
  return new End(socket, head, false);
}

/** Opens a socket at this http URL, with these headers of the page. */
export function connect(url, headers) {
  return new Promise((resolve, reject) => {
    const key = randomBytes(16).toString('base64');
    const request = http.request(url, {
      headers: { ...headers, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key },
    });
    request.on('upgrade', (_, socket, head) => resolve(new End(socket, head, true)));
    request.on('response', (answer) => reject(new Error(`the edge answered ${answer.statusCode}`)));
    request.on('error', reject);
    request.end();
  });
}

class End {
  #socket;
  #masks;
  #unread;
  ontext = () => {};
  onclose = () => {};

  constructor(socket, head, masks) {
    this.#socket = socket;
    this.#masks = masks;
    this.#unread = head;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => { this.#unread = Buffer.concat([this.#unread, chunk]); this.#read(); });
    socket.on('error', () => {});
    socket.on('close', () => this.onclose());
    setImmediate(() => this.#read());
  }

  get open() { return !this.#socket.destroyed; }

  send(text) { this.#write(TEXT, Buffer.from(text)); }

  /** Says goodbye as a server should. */
  close(code = 1000) {
    const body = Buffer.alloc(2);
    body.writeUInt16BE(code);
    this.#write(CLOSE, body);
    this.#socket.end();
  }

  destroy() { this.#socket.destroy(); }

  #write(opcode, body) {
    if (this.#socket.destroyed || !this.#socket.writable) return;
    const mask = this.#masks ? randomBytes(4) : null;
    const bit = mask ? 0x80 : 0;
    let head = Buffer.from([0x80 | opcode, bit | body.length]);
    if (body.length >= 65_536) {
      head = Buffer.alloc(10);
      head.set([0x80 | opcode, bit | 127]);
      head.writeBigUInt64BE(BigInt(body.length), 2);
    } else if (body.length >= 126) {
      head = Buffer.from([0x80 | opcode, bit | 126, body.length >> 8, body.length & 255]);
    }
    this.#socket.write(Buffer.concat(mask ? [head, mask, masked(body, mask)] : [head, body]));
  }

  #read() {
    for (let frame = this.#next(); frame; frame = this.#next()) {
      if (frame.opcode === TEXT) this.ontext(frame.body.toString('utf8'));
      else if (frame.opcode === PING) this.#write(PONG, frame.body);
      else if (frame.opcode === CLOSE) this.#socket.end();
    }
  }

  #next() {
    const bytes = this.#unread;
    if (bytes.length < 2) return null;
    let [at, length] = [2, bytes[1] & 127];
    if (bytes.length < at + (length === 126 ? 2 : length === 127 ? 8 : 0)) return null;
    if (length === 126) [length, at] = [bytes.readUInt16BE(2), 4];
    else if (length === 127) [length, at] = [Number(bytes.readBigUInt64BE(2)), 10];
    const mask = bytes[1] & 128 ? bytes.subarray(at, (at += 4)) : null;
    if (bytes.length < at + length) return null;
    const body = bytes.subarray(at, at + length);
    this.#unread = bytes.subarray(at + length);
    return { opcode: bytes[0] & 15, body: mask ? masked(body, mask) : body };
  }
}

function masked(body, mask) {
  return Buffer.from(body.map((byte, i) => byte ^ mask[i & 3]));
}
