// The floor page's script, compiled for the oldest engines that the SDK serves.

import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));

/** Lets `proxy` serve the page at /engines/floor.html. */
export async function serveFloor(proxy) {
  const { outputFiles } = await build({
    entryPoints: [path.join(HERE, 'floor.js')], bundle: true, write: false, format: 'iife',
    // esbuild counts destructuring as broken in Safari 14.0 for one rare form of it, and cannot lower it.
    target: ['chrome80', 'firefox76', 'safari14'], supported: { destructuring: true }, external: ['/sdk/*'], logLevel: 'warning',
  });
  const script = Buffer.from(outputFiles[0].contents);
  const page = readFileSync(path.join(HERE, 'floor.html'));
  proxy.answer('floor script', /^\/engines\/floor\.js$/, () => ({ body: script, type: 'text/javascript' }));
  proxy.answer('floor page', /^\/engines\/floor\.html$/, () => ({ body: page, type: 'text/html; charset=utf-8' }));
}
