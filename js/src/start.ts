import type { StartMesh } from './mesh-port.js';

/** Loads the core in a chunk of its own, so that nothing of it weighs on the first segment. */
export const startMesh: StartMesh = (options) => import('./wasm.js').then((wasm) => wasm.startMesh(options));
