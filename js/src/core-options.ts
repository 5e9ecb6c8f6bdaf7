/** The page's options as the core reads them (`config::Options` of meshedflow-core). */
import type { CoreOptions } from './mesh-port.js';
import { mutants } from './mutants.js';
import type { MeshedFlowOptions } from './options.js';
import { parse } from './url.js';

/** Defaults filled in, URLs made absolute, `undefined` dropped. */
export function coreOptions(o: MeshedFlowOptions, platform: Record<string, unknown>): CoreOptions {
  const { wasmUrl, debug: _debug, consent: _consent, peers, ...rest } = o;
  const core: Record<string, unknown> = {
    enableRarestFirst: true,
    cmafMode: 'advertise-only',
    ...rest,
    maxPeers: peers?.max,
    // A core is started only once consent is there; see Page.
    consent: 'given',
    platform,
  };
  for (const key of ['signalingUrl', 'remoteConfigUrl', 'originBaseUrl'] as const) {
    const url = parse(o[key]);
    if (url) core[key] = url.href;
  }
  core.mutant = mutants();
  for (const key of Object.keys(core)) if (core[key] === undefined) delete core[key];
  return wasmUrl === undefined ? { core } : { core, wasmUrl };
}
