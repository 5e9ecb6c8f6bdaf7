/** The module's bytes, which the build puts into the inline entry. */
declare module 'meshedflow-wasm-bytes' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
