/** `import ... from '@meshedflow/sdk'`: wasm beside the module, loaded when first needed. */
export * from '../api.js';
