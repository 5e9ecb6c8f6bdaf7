// What checks often ask.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { media } from './media.mjs';

export const SEGMENT = '/m/v216/seg_1.m4s';

const fileOf = (path) => media(path.replace(/^\/m\//, '').replace(/\?.*/, ''));
export const sizeOf = (path) => fileOf(path).length;
export const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');
export const hashOf = (path) => sha(fileOf(path));

/** The one terminal callback, which must be `name`. */
export function only({ terminal, threw }, name) {
  assert.equal(threw, '', 'load() threw');
  assert.deepEqual(terminal.map((call) => call.name), [name], `called back: ${terminal.map((c) => `${c.name} ${c.code ?? ''}`)}`);
  return terminal[0];
}

/** What an origin saw of media and keys. Lists and keys to lists, which only a live core asks for, are not compared. */
export const mediaOf = (log) => log.filter(({ path, method }) => method === 'GET' && /\.(m4s|mp4|vtt)$|\/key$/.test(path));
