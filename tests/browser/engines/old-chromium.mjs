// Chromium as it was: npm packages carry it compressed, for machines that have none. Unpacked once, kept in target/.

import { chmodSync, createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { ROOT } from '../lib/demo.mjs';

const PACKAGES = { 80: 'chrome-aws-lambda', 92: '@sparticuz/chromium' };
// One process less to start, and none that forks: without it these builds do not start in a container.
export const OLD_FLAGS = ['--no-zygote'];

/** The program of this major release. */
export async function oldChromium(major) {
  const from = path.join(ROOT, 'node_modules', PACKAGES[major]);
  if (!existsSync(from)) throw new Error(`${PACKAGES[major]} is not installed: npm ci --ignore-scripts`);
  const { version } = JSON.parse(readFileSync(path.join(from, 'package.json'), 'utf8'));
  const folder = path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'engines');
  const program = path.join(folder, `chromium-${major}-${version}`);
  if (!existsSync(program)) await unpack(path.join(from, 'bin/chromium.br'), program);
  return program;
}

async function unpack(packed, program) {
  mkdirSync(path.dirname(program), { recursive: true });
  // Under its name only once it is whole; two runs at once do the same work.
  const growing = `${program}.${process.pid}`;
  await pipeline(createReadStream(packed), createBrotliDecompress(), createWriteStream(growing));
  chmodSync(growing, 0o755);
  renameSync(growing, program);
}
