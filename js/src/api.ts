/** What the package exports, whatever the entry. */
import { MeshedFlowError } from './errors.js';
import type { PlayerConfig } from './hls-types.js';
import { MeshedFlowLoader } from './loader.js';
import type { MeshedFlowOptions } from './options.js';
import { SharedLoader } from './shared.js';

export { MeshedFlowError, MeshedFlowLoader, SharedLoader };
export type { ErrorCode } from './errors.js';
export type { ErrorEvent, EventName, FallbackEvent, Listener, MeshedFlowEvents, PeerEvent, SegmentEvent, SegmentName, Transport } from './events.js';
export type { CmafMode, Consent, MeshedFlowOptions, PeerOptions, UploadOptions } from './options.js';
export type { CoreStats, MeshStats } from './stats.js';
export type { LoadRequest } from './shared.js';

/** One stream on this page: `new Hls(mesh.hlsConfig())`, then `mesh.attach(hls)`. */
export function createMeshedFlow(options: MeshedFlowOptions): MeshedFlowLoader {
  return new MeshedFlowLoader(options);
}

/** `new Hls(hlsConfig(options, { ...your HLS.js configuration }))` */
export function hlsConfig<C extends object>(options: MeshedFlowOptions, more?: C): C & { fLoader: typeof SharedLoader } {
  return new MeshedFlowLoader(options).hlsConfig(more);
}

/** `new Hls({ fLoader: fragmentLoader(options) })` */
export function fragmentLoader(options: MeshedFlowOptions): typeof SharedLoader {
  return new MeshedFlowLoader(options).fragmentLoader;
}

/** Attaches a player whose configuration came from here; see {@link MeshedFlowLoader.attach}. */
export function attach(player: object): () => void {
  const { config, userConfig } = (player || {}) as { config?: PlayerConfig; userConfig?: PlayerConfig | null };
  // CMCD wraps the classes in `config`; what the page gave stays in `userConfig`.
  for (const loader of [userConfig?.fLoader, userConfig?.loader, config?.fLoader, config?.loader]) {
    const core = (loader as { core?: MeshedFlowLoader } | undefined)?.core;
    if (core) return core.attach(player);
  }
  const expected = 'an Hls instance whose fLoader or loader has a MeshedFlow core';
  throw new MeshedFlowError('not-a-player', `attach() was given a player without MeshedFlow; expected ${expected}`, { expected });
}
