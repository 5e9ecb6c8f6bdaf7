// MeshedFlow, in the two modes that a page may choose.

import { plays } from '../in-page.mjs';

function meshedflow(mode) {
  return {
    name: mode,
    title: `MeshedFlow, ${mode}`,
    query: ({ signaling }) => ({ mode, ...(signaling ? { edge: `${signaling.url}/mesh` } : {}) }),
    faults: ({ settings, loopback }) => [
      [plays, settings],
      ...(loopback ? [] : [[trusts, { allowInsecure: true }]]),
    ],
    worker: () => true,
    /** What remote policy says wins over the page, so it says the same. */
    policy: { version: 1, enabled: true, cmafMode: mode },
  };
}

/** More options for the SDK. */
function trusts(options) {
  window.meshOptions = options;
}

export const serve = meshedflow('serve');
export const advertiseOnly = meshedflow('advertise-only');
