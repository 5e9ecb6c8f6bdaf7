/** The object a page holds: one stream, any number of players. */
import { MeshedFlowError } from './errors.js';
import type { EventName, Listener, MeshedFlowEvents } from './events.js';
import type { LoaderCallbacks, LoaderConfiguration, LoaderContext, Player, PlayerConfig } from './hls-types.js';
import type { LoadLate } from './late.js';
import { checkOptions } from './options.js';
import type { MeshedFlowOptions } from './options.js';
import { pageOf } from './page.js';
import type { PageAbi } from './page.js';
import { SharedLoader } from './shared.js';
import type { LoadRequest } from './shared.js';
import { loadLate } from './start.js';
import type { MeshStats } from './stats.js';

export class MeshedFlowLoader {
  /** A loader class for `fLoader`; HLS.js makes an instance for each request. */
  readonly fragmentLoader: typeof SharedLoader;
  private readonly page: PageAbi;
  private readonly heard = new Map<() => void, [event: string, listener: unknown]>();
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
  load(context: object, config: object, callbacks: object, player?: object): LoadRequest {
    return this.page.load(context as LoaderContext, config as LoaderConfiguration, callbacks as LoaderCallbacks, player as PlayerConfig);
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

  /**
   * Listens; returns a function that stops it, as `off` and `destroy` do.
   * @throws MeshedFlowError if there is no such event.
   */
  on<E extends EventName>(event: E, listener: Listener<E>): () => void {
    check(event);
    const undo = this.page.on(event, listener);
    const stop = () => {
      undo();
      this.heard.delete(stop);
    };
    this.heard.set(stop, [event, listener]);
    return stop;
  }

  /** Stops a listener. */
  off<E extends EventName>(event: E, listener: Listener<E>): void {
    check(event);
    this.heard.forEach(([name, known], stop) => name === event && known === listener && stop());
  }

  /** A snapshot of the counters. */
  stats(): MeshStats {
    return this.page.stats();
  }

  /** The viewer agreed (`true`), or withdrew, as by {@link revoke}. */
  consent(given: boolean): void {
    this.page.consent(given);
  }

  /** The viewer withdrew: peers, edge and ICE are closed at once, players go on over HTTP. `consent(true)` starts anew. */
  revoke(): void {
    this.page.consent(false);
  }

  /** Gives the mesh up; players that still use its loader go on over plain HTTP. Nothing is told any more. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.heard.forEach((_, stop) => stop());
    this.page.release();
  }
}

const EVENTS: Record<keyof MeshedFlowEvents, 1> = { peer: 1, segment: 1, fallback: 1, stats: 1, error: 1, sharing: 1 };

function check(event: string): void {
  const expected = `one of ${Object.keys(EVENTS).join(', ')}`;
  if (!Object.prototype.hasOwnProperty.call(EVENTS, event)) {
    throw new MeshedFlowError('event-unknown', `there is no event ${event}; expected ${expected}`, { value: event, expected });
  }
}
