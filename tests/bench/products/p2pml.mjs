// p2p-media-loader-hlsjs with its core, and the tracker that its core's own dependency brings.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { ROOT } from '../../browser/lib/demo.mjs';
import { plays, playsP2pMediaLoader } from '../in-page.mjs';

const FILE = 'vendor/p2p-media-loader.js';

export const p2pml = {
  name: 'p2pml',
  title: 'p2p-media-loader',
  query: () => ({ mode: 'plain' }),
  /** Its bundles name each other as bare modules: one file for the page. */
  bundle: (site) => build({
    stdin: { contents: 'export { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";', resolveDir: ROOT },
    bundle: true, format: 'esm', minify: true, legalComments: 'none', logLevel: 'error', outfile: path.join(site, FILE),
    alias: Object.fromEntries(['core', 'hlsjs'].map((part) => [`p2p-media-loader-${part}`, path.join(ROOT, `node_modules/p2p-media-loader-${part}/dist/p2p-media-loader-${part}.es.min.js`)])),
  }),
  // It sets a buffer of its own where the page sets none.
  faults: ({ settings: { maxMaxBufferLength: _, ...settings }, streamId, tracker }) => [
    [plays, { ...settings, enableWorker: false }],
    [playsP2pMediaLoader, { url: `/${FILE}`, core: { swarmId: streamId, announceTrackers: [tracker], isP2PUploadDisabled: false, rtcConfig: { iceServers: [] } } }],
  ],
  worker: () => false,
  tracker: startTracker,
};

export const version = (name) => JSON.parse(readFileSync(path.join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version;

/** A WebTorrent tracker on a free port; its own defaults otherwise. */
async function startTracker() {
  const { default: Server } = await import('bittorrent-tracker/server');
  const server = new Server({ udp: false, http: false, ws: true, stats: false });
  server.on('error', (error) => console.error(`tracker: ${error.message}`));
  server.on('warning', () => {}); // of a viewer that went
  await new Promise((resolve) => { server.listen(0, '0.0.0.0', resolve); });
  const { port } = server.ws.address?.() ?? server.http.address();
  return { url: `ws://127.0.0.1:${port}`, stop: () => new Promise((resolve) => { server.close(resolve); setTimeout(resolve, 1000); }) };
}
