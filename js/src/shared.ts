/** The loader class that HLS.js instantiates for each request. */
import { MeshedFlowError } from './errors.js';
import type { LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats, PlayerConfig } from './hls-types.js';
import type { LoadSession } from './load-session.js';
import type { MeshedFlowLoader } from './loader.js';

/** A request under way. */
export interface LoadRequest {
  readonly stats: LoaderStats;
  abort(): void;
  destroy(): void;
}

/**
 * `SharedLoader.core = new MeshedFlowLoader(options); new Hls({ fLoader: SharedLoader })`, or as a base class with a
 * `static core` of its own. All instances share that core.
 */
export class SharedLoader {
  /** The core that all instances of this class use. */
  static core: MeshedFlowLoader | undefined = undefined;
  private readonly session: LoadSession;

  // HLS.js passes its whole configuration; `object` keeps this class assignable to the types of every version.
  constructor(player: object) {
    const { core } = this.constructor as typeof SharedLoader;
    if (!core) throw new MeshedFlowError('core-missing', 'SharedLoader.core is not set; expected new MeshedFlowLoader(options) before new Hls(...)');
    this.session = core.session(player as PlayerConfig);
  }

  /** The one statistics object of this request. */
  get stats(): LoaderStats {
    return this.session.stats;
  }

  get context(): any {
    return this.session.context;
  }

  load(context: object, config: object, callbacks: object): void {
    this.session.load(context as LoaderContext, config as LoaderConfiguration, callbacks as LoaderCallbacks);
  }

  abort(): void {
    this.session.abort();
  }

  destroy(): void {
    this.session.destroy();
  }

  getCacheAge(): number | null {
    return this.session.getCacheAge();
  }

  getResponseHeader(name: string): string | null {
    return this.session.getResponseHeader(name);
  }
}
