// Fetches every segment from the origin by itself, beside the players, so that their bytes can be compared with the origin's.

import { createHash } from 'node:crypto';

const POLL_MS = 1500;

export class Witness {
  #base;
  #digests = new Map(); // path, and range if it is one -> {sha256, bytes}
  #timer = null;
  #round = null;

  /** `base`: the origin itself, not a proxy before it. */
  constructor(base) { this.#base = base; }

  start(master) {
    const round = async () => {
      this.#round = this.#look(master).catch((error) => { this.failure ??= error; });
      await this.#round;
      if (this.#timer) this.#timer = setTimeout(round, POLL_MS);
    };
    this.#timer = setTimeout(round, 0);
  }

  async stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
    await this.#round;
    if (this.failure) throw this.failure;
  }

  /** Digest and length of what the origin serves under this path, or of `range` of it; fetched now if it was not seen before. */
  async of(url, range = null) {
    const path = new URL(url).pathname;
    const key = range ? `${path} ${range}` : path;
    if (!this.#digests.has(key)) await this.#fetch(path, range, key);
    return this.#digests.get(key);
  }

  async #look(master) {
    const entry = await this.#text(master);
    const base = new URL(master, this.#base);
    const playlists = /^#EXTINF:/m.test(entry) ? [base] : mediaPlaylists(entry, base);
    for (const playlist of playlists) {
      for (const path of segments(await this.#text(playlist.pathname), playlist)) {
        if (!this.#digests.has(path)) await this.#fetch(path);
      }
    }
  }

  async #text(path) {
    const answer = await this.#get(path);
    return answer.toString('utf8');
  }

  async #fetch(path, range = null, key = path) {
    const whole = await this.#get(path);
    const body = range ? whole.subarray(...range) : whole;
    this.#digests.set(key, { sha256: createHash('sha256').update(body).digest('hex'), bytes: body.length });
  }

  async #get(path) {
    const url = new URL(path, this.#base);
    url.search = 'witness=1';
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`the origin answered ${answer.status} to the witness for ${url.pathname}`);
    return Buffer.from(await answer.arrayBuffer());
  }
}

function mediaPlaylists(text, base) {
  const found = new Set();
  for (const line of text.split('\n')) {
    const uri = /^#EXT-X-MEDIA:.*URI="([^"]+)"/.exec(line)?.[1] ?? (line && !line.startsWith('#') ? line.trim() : null);
    if (uri) found.add(new URL(uri, base).href);
  }
  return [...found].map((href) => new URL(href));
}

function segments(text, base) {
  const found = [];
  for (const line of text.split('\n')) {
    const uri = /^#EXT-X-MAP:.*URI="([^"]+)"/.exec(line)?.[1] ?? (line && !line.startsWith('#') ? line.trim() : null);
    if (uri) found.push(new URL(uri, base).pathname);
  }
  return found;
}
