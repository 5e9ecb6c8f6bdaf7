/** The object a page holds: one stream, any number of players. */
import { MeshedFlowError } from './errors.js';
import type { EventName, Listener } from './events.js';
import type { LoaderCallbacks, LoaderConfiguration, LoaderContext, Player, PlayerConfig } from './hls-types.js';
import type { LoadLate } from './late.js';
import { checkOptions } from './options.js';
import type { MeshedFlowOptions } from './options.js';
import { pageOf } from './page.js';
import type { MeshStats, PageAbi } from './page.js';
import { SharedLoader } from './shared.js';
import type { LoadRequest } from './shared.js';
import { loadLate } from './start.js';

export class MeshedFlowLoader {
  /** A loader class for `fLoader`; HLS.js makes an instance for each request. */
  readonly fragmentLoader: typeof SharedLoader;
  private readonly page: PageAbi;
  private destroyed = false;

  /** @throws MeshedFlowError naming the option, its value and what was expected. */
  constructor(options: MeshedFlowOptions, late: LoadLate = loadLate) {
    const core = this;
    this.page = pageOf(checkOptions(options), late);
    this.fragmentLoader = class extends SharedLoader {
      static override core = core;
    };
  }

  /**
   * Loads for HLS.js, for loader classes of the page's own. Anything but media goes to a plain GET untouched.
   * `player` is what HLS.js gave to that class's constructor; with it, its `xhrSetup` or `fetchSetup` apply.
   */
  load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks, player?: PlayerConfig): LoadRequest {
    return this.page.load(context, config, callbacks, player);
  }

  /** A request not begun yet, with its statistics: what {@link SharedLoader} is made of. */
  session(player?: PlayerConfig): ReturnType<PageAbi['session']> {
    return this.page.session(player);
  }

  /** Configuration for `new Hls(...)`; `more` is merged in. */
  hlsConfig<C extends object>(more?: C): C & { fLoader: typeof SharedLoader } {
    return Object.assign({}, more, { fLoader: this.fragmentLoader }) as C & { fLoader: typeof SharedLoader };
  }

  /**
   * Lets the mesh know the player's buffer, playlists and end. Call it right after `new Hls(...)`.
   * Returns a function that undoes it; destroying the player does, too.
   */
  attach(player: object): () => void {
    if (typeof (player as Player)?.on !== 'function' || !(player as Player).config) {
      const expected = 'an Hls instance';
      throw new MeshedFlowError('not-a-player', `attach() was given no player; expected ${expected}`, { value: player, expected });
    }
    return this.page.attach(player as Player);
  }

  /** Listens; returns a function that stops it. */
  on<E extends EventName>(event: E, listener: Listener<E>): () => void {
    return this.page.on(event, listener);
  }

  /** A snapshot of the counters. */
  stats(): MeshStats {
    return this.page.stats();
  }

  /** The viewer agreed (`true`) or withdrew: then all connections to peers and edge close within a second. */
  consent(given: boolean): void {
    this.page.consent(given);
  }

  /** Gives the mesh up; players that still use its loader go on over plain HTTP. */
  destroy(): void {
    if (!this.destroyed) this.page.release();
    this.destroyed = true;
  }
}
