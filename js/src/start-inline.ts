import type { LoadLate } from './late.js';

/** The core from this very file; it is unpacked when first wanted. */
export const loadLate: LoadLate = async () => {
  const [late, { default: bytes }] = await Promise.all([import('./late.js'), import('meshedflow-wasm-bytes')]);
  return { ...late, start: (options, given) => late.start({ ...options, wasmUrl: options.wasmUrl ?? bytes }, given) };
};
