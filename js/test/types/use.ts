// Compiled, never run: the SDK fits the types of every HLS.js line, and reads as its README says.
import Hls15 from 'hls.js-1.5';
import Hls16 from 'hls.js-1.6';
import Hls17 from 'hls.js';
import { MeshedFlowError, MeshedFlowLoader, SharedLoader, attach, createMeshedFlow, fragmentLoader, hlsConfig } from '../../dist/types/index.js';
import type { MeshedFlowOptions, MeshStats, SegmentEvent } from '../../dist/types/index.js';

const options: MeshedFlowOptions = { streamId: 'arena-7', cmafMode: 'serve', upload: { slots: 2 }, consent: async () => true };
const mesh = createMeshedFlow(options);

for (const player of [
  new Hls15(mesh.hlsConfig({ debug: true })),
  new Hls16(hlsConfig(options, { maxBufferLength: 10 })),
  new Hls17(hlsConfig(options)),
  new Hls15({ fLoader: fragmentLoader(options) }),
  new Hls16({ fLoader: mesh.fragmentLoader }),
  new Hls17({ fLoader: mesh.fragmentLoader }),
  new Hls15({ loader: SharedLoader, pLoader: Hls15.DefaultConfig.loader as never }),
  new Hls16({ loader: SharedLoader, pLoader: Hls16.DefaultConfig.loader as never }),
  new Hls17({ loader: SharedLoader, pLoader: Hls17.DefaultConfig.loader as never }),
]) {
  const detach: () => void = attach(player);
  detach();
  mesh.attach(player);
}

SharedLoader.core = new MeshedFlowLoader(options);
class Mine extends SharedLoader {
  static override core = new MeshedFlowLoader(options);
}
new Hls17({ loader: Mine });

const stop: () => void = mesh.on('segment', (event: SegmentEvent) => event.fromPeers + event.ms);
mesh.on('peer', ({ peer, up, count }) => [peer.length, up, count]);
const stats: MeshStats = mesh.stats();
const state: 'waiting' | 'starting' | 'on' | 'off' = stats.state;
mesh.consent(false);
mesh.destroy();
stop();

// @ts-expect-error a mistyped option
createMeshedFlow({ streamId: 'a', signalingURL: 'wss://x' });
// @ts-expect-error no such mode
createMeshedFlow({ streamId: 'a', cmafMode: 'on' });
// @ts-expect-error no such event
mesh.on('nothing', () => {});

export const error: string | undefined = new MeshedFlowError('option-missing', 'x').option;
export { state };
