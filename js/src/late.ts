/** All that is needed only with a core, in a chunk of its own. */
import { coreOptions } from './core-options.js';
import { follow } from './follow.js';
import { MeshLoad } from './mesh-load.js';
import type { MeshPort } from './mesh-port.js';
import type { MeshedFlowOptions } from './options.js';
import { platform, watchSurroundings } from './surroundings.js';
import { startMesh } from './wasm.js';

/** What the page loads late. */
export interface Late {
  MeshLoad: typeof MeshLoad;
  follow: typeof follow;
  watchSurroundings: typeof watchSurroundings;
  /** Rejects when there can be no core here, or the page `given` up on it. */
  start(options: MeshedFlowOptions, given: AbortSignal): Promise<MeshPort>;
}

export type LoadLate = () => Promise<Late>;

export { MeshLoad, follow, watchSurroundings };

export async function start(options: MeshedFlowOptions, given: AbortSignal): Promise<MeshPort> {
  const facts = platform();
  // Without peers the module has nothing to do: it is not even fetched.
  if (!facts.webrtc) throw Object.assign(new Error('this browser has no WebRTC'), { name: 'no-webrtc' });
  return startMesh(coreOptions(options, facts), given);
}
