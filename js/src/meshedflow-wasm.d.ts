/**
 * The module that `cargo xtask wasm` builds from `crates/wasm`, by the name under which it is bundled.
 * Written by hand, so that TypeScript is checked without a wasm build; `crates/xtask/src/wasm.rs` compares the two.
 */
declare module 'meshedflow-wasm' {
  export class MeshHandle {
    constructor(host: object, options: string, seedHigh: number, seedLow: number, now: number);
    free(): void;
    tell(word: string, now: number): boolean;
    httpHead(http: number, status: number, length: number, now: number): void;
    httpChunk(http: number, at: number, length: number, now: number): void;
    httpBody(http: number, body: Uint8Array, now: number): void;
    httpEnd(http: number, length: number, failure: number, now: number): void;
    signal(kind: number, text: string, now: number): void;
    peerEvent(conn: number, kind: number, text: string, now: number): void;
    peerFrames(conn: number, frames: Uint8Array, now: number): void;
    peerData(conn: number, length: number, now: number): void;
    wake(now: number): void;
    stats(): string;
  }
  export default function init(source: { module_or_path: WebAssembly.Module }): Promise<unknown>;
}
