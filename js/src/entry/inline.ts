/** `import ... from '@meshedflow/sdk/inline'`: the wasm module inside, for pages that can serve one file only. */
export * from '../api.js';
