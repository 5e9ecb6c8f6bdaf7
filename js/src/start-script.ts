import type { LoadLate } from './late.js';

// Known only while the script runs for the first time.
const script = (globalThis as { document?: Document }).document?.currentScript as HTMLScriptElement | null | undefined;
const besideScript = () => new URL('meshedflow_bg.wasm', script?.src || document.baseURI).href;

/** The core's code is in this file, its module beside it. */
export const loadLate: LoadLate = async () => {
  const late = await import('./late.js');
  return { ...late, start: (options, given) => late.start({ ...options, wasmUrl: options.wasmUrl ?? besideScript() }, given) };
};
