// A page of somebody else's, compiled against the package as it is published, once with each line of HLS.js.
import Hls from 'hls.js';
import type { HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext } from 'hls.js';
import { MeshedFlowError, MeshedFlowLoader, SharedLoader, attach, createMeshedFlow, hlsConfig } from '@meshedflow/sdk';
import type { ErrorCode, MeshStats, MeshedFlowOptions } from '@meshedflow/sdk';

const options: MeshedFlowOptions = { streamId: 'arena-7', signalingUrl: 'wss://edge.example/mesh', cmafMode: 'advertise-only' };

// 1. The published snippet, with the types that TypeScript asks for.
class Snippet implements Pick<Loader<LoaderContext>, 'load' | 'abort' | 'destroy'> {
  static core: MeshedFlowLoader | undefined;
  private readonly core: MeshedFlowLoader;
  private currentRequest: ReturnType<MeshedFlowLoader['load']> | undefined;
  constructor(config: HlsConfig) {
    void config;
    if (!Snippet.core) Snippet.core = new MeshedFlowLoader(options);
    this.core = Snippet.core;
  }
  load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
    this.currentRequest = this.core.load(context, config, callbacks);
  }
  abort(): void {
    if (this.currentRequest) this.currentRequest.abort();
  }
  destroy(): void {}
}
new Hls({ loader: Snippet as unknown as HlsConfig['loader'], pLoader: Hls.DefaultConfig.loader as never });
SharedLoader.core = new MeshedFlowLoader(options);
new Hls({ loader: SharedLoader, pLoader: Hls.DefaultConfig.loader as never });

// 2. The short form.
const mesh = createMeshedFlow(options);
new Hls(hlsConfig(options, { maxBufferLength: 10 }));
new Hls({ fLoader: mesh.fragmentLoader });

// 3. With the player attached.
const hls = new Hls(mesh.hlsConfig());
const detach: () => void = attach(hls);
detach();

const told = (error: { code: ErrorCode; message: string; fatal: boolean }) => console.warn(error.code, error.message);
mesh.on('error', told);
mesh.off('error', told);
mesh.on('peer', ({ peer, up, count, transport }) => [peer, up, count, transport?.local, transport?.rttMs]);
mesh.on('segment', ({ sn, bytes, fromPeers, fromHttp, ms, way, reason, part }) => [sn, bytes, fromPeers, fromHttp, ms, way, reason, part]);
mesh.on('fallback', ({ type, sn, url, reason }) => [type, sn, url, reason]);
mesh.on('sharing', ({ on, reason }) => [on, reason]);
const stop: () => void = mesh.on('stats', (stats: MeshStats) => [stats.state, stats.bytes.peers, stats.mesh?.uploadedBytes]);
stop();
mesh.consent(true);
mesh.revoke();
mesh.destroy();

try {
  createMeshedFlow({ streamId: '' });
} catch (error) {
  if (error instanceof MeshedFlowError) console.error(error.code satisfies ErrorCode, error.option, error.expected);
}
