#!/usr/bin/env node
// Offload, computed without a line of MeshedFlow's code: from the origin's access log and from what the players received.
//
//   offload = 1 - media bytes that the origin sent / media bytes that HLS.js received
//
// Media: segments and init segments, whoever asked and why (audio, ranges, probes and aborted requests count).
//   node offload.mjs --log access.jsonl --delivered BYTES [--since UNIX_MS] [--until UNIX_MS]

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const MEDIA = /\.(m4s|mp4|ts|aac)$/;

/** A line of the log that carried media to a viewer; requests of the test's own witness are marked in their query. */
export function isMedia(line) {
  return MEDIA.test(line.path) && !/(^|&)witness=/.test(line.query ?? '');
}

/** `lines`: parsed access log. */
export function offload(lines, deliveredBytes, { since = -Infinity, until = Infinity } = {}) {
  const media = lines.filter((line) => isMedia(line) && line.t >= since && line.t <= until);
  const originBytes = media.reduce((sum, line) => sum + line.bytes, 0);
  return { originBytes, originRequests: media.length, deliveredBytes, offload: deliveredBytes > 0 ? 1 - originBytes / deliveredBytes : 0 };
}

function main() {
  const given = new Map();
  for (let i = 2; i < process.argv.length; i += 2) given.set(process.argv[i].replace(/^--/, ''), process.argv[i + 1]);
  if (!given.has('log') || !given.has('delivered')) {
    console.error('usage: offload.mjs --log FILE --delivered BYTES [--since UNIX_MS] [--until UNIX_MS]');
    process.exit(2);
  }
  const lines = readFileSync(given.get('log'), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const limits = {};
  for (const name of ['since', 'until']) if (given.has(name)) limits[name] = Number(given.get(name));
  const found = offload(lines, Number(given.get('delivered')), limits);
  console.log(`origin ${found.originBytes} bytes in ${found.originRequests} requests, delivered ${found.deliveredBytes}, offload ${(100 * found.offload).toFixed(1)} %`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
