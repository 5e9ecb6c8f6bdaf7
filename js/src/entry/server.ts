/**
 * Server-side rendering: the same names without wasm and without effects, so that a page's code can be imported and its
 * components rendered where no player will ever run.
 */
import { MeshedFlowError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { MeshedFlowOptions } from '../options.js';

export { MeshedFlowError };

const nothing = () => () => {};

/** A loader class that never loads: there is no HLS.js here. */
export class SharedLoader {
  static core: unknown = undefined;
}

export class MeshedFlowLoader {
  readonly fragmentLoader = SharedLoader;
  readonly attach = nothing;
  readonly on = nothing;
  readonly off = nothing;

  constructor(options: MeshedFlowOptions) {
    checkOptions(options);
  }

  hlsConfig(more?: object): object {
    return { ...more };
  }

  stats(): object {
    return { state: 'off', reason: 'server', loads: { plain: 0, mesh: 0, takeover: 0 }, bytes: { peers: 0, http: 0 }, mesh: null };
  }

  consent(): void {}
  revoke(): void {}
  destroy(): void {}
}

export const createMeshedFlow = (options: MeshedFlowOptions) => new MeshedFlowLoader(options);
export const hlsConfig = (options: MeshedFlowOptions, more?: object) => createMeshedFlow(options).hlsConfig(more);
export const fragmentLoader = (options: MeshedFlowOptions) => createMeshedFlow(options).fragmentLoader;
export const attach = nothing;
