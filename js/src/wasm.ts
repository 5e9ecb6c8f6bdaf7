/**
 * Brings the core's wasm module to the page, once, and starts cores on it.
 *
 * The module is fetched when the first core is wanted, never at import. All that can be in the way (a 404, a server
 * that answers with a page, a policy that forbids wasm) rejects with a line that says so; the page stays on plain HTTP.
 */
import init, { MeshHandle } from 'meshedflow-wasm';
import { encode } from './json.js';
import type { CoreOptions, MeshPort, StartMesh } from './mesh-port.js';
import { deadModule } from './host.js';
import { Port } from './port.js';

/** Digest of the module this SDK was built with, as in an `integrity` attribute; the build puts it here. */
declare const MESHEDFLOW_WASM_INTEGRITY: string | undefined;

type Source = CoreOptions['wasmUrl'];

const HINT = "; where meshedflow_bg.wasm is not beside the SDK, give wasmUrl or import '@meshedflow/sdk/inline'";

let ready: Promise<unknown> | undefined;
/** Who waits for the module; with the last of them its download ends, too. */
let waiting = 0;
let aborter: AbortController;

export const startMesh: StartMesh = async ({ core, wasmUrl }, given) => {
  if (!ready) {
    aborter = new AbortController();
    ready = load(wasmUrl, aborter.signal).then((module) => init({ module_or_path: module }));
    // A module that could not be had now may be had later: the failure is not kept.
    ready.catch(() => (ready = undefined));
  }
  await untilReady(ready, given);
  if (deadModule()) throw new Error(`the module failed before: ${deadModule()}`);
  return start(core);
};

async function untilReady(module: Promise<unknown>, given?: AbortSignal): Promise<void> {
  waiting++;
  let left = false;
  const leave = () => {
    left = true;
    if (!--waiting) aborter.abort();
  };
  given?.addEventListener('abort', leave);
  try {
    await module;
  } finally {
    given?.removeEventListener('abort', leave);
    if (!left) waiting--;
  }
}

function start(options: Record<string, unknown>): MeshPort {
  const seeds = crypto.getRandomValues(new Uint32Array(2));
  return new Port((host) => {
    // The core pairs the wall clock with the monotonic one: both are read here, together.
    const platform = { ...(options.platform as object), unixMs: Date.now() };
    const now = performance.now();
    return new MeshHandle(host, encode({ ...options, platform }), seeds[0] as number, seeds[1] as number, now);
  });
}

async function load(source: Source, signal: AbortSignal): Promise<WebAssembly.Module> {
  if (typeof WebAssembly !== 'object') throw new Error('this browser has no WebAssembly');
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return compile(source as BufferSource, 'the bytes given');
  if (source instanceof Response) return fromResponse(source);
  return fromResponse(await download(source ? String(source) : beside(), signal));
}

/** Bundlers that make one file of everything leave the module behind, or know no place at all. */
function beside(): string {
  try {
    return new URL('./meshedflow_bg.wasm', import.meta.url).href;
  } catch {
    throw new Error(`the SDK was bundled into a file that knows no place of its own${HINT}`);
  }
}

async function download(url: string, signal: AbortSignal): Promise<Response> {
  const integrity = typeof MESHEDFLOW_WASM_INTEGRITY === 'string' ? MESHEDFLOW_WASM_INTEGRITY : '';
  try {
    return await fetch(url, { credentials: 'same-origin', integrity, signal });
  } catch (error) {
    throw new Error(`${url} could not be fetched, or is not the module that this SDK was built with: ${String(error)}${HINT}`);
  }
}

async function fromResponse(response: Response): Promise<WebAssembly.Module> {
  const from = response.url || 'the response given';
  if (!response.ok) throw new Error(`${from} answered ${response.status}; expected the wasm module${HINT}`);
  const type = response.headers.get('content-type') || 'no content type';
  return compile(await response.arrayBuffer(), `${from} (${type})`);
}

async function compile(bytes: BufferSource, from: string): Promise<WebAssembly.Module> {
  const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset) : new Uint8Array(bytes);
  // "\0asm": a server that answers everything with its start page would otherwise give a riddle of an error.
  if (String.fromCharCode(...view.subarray(0, 4)) !== "\0asm") throw new Error(`${from} is not a wasm module${HINT}`);
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new Error(`${from} was not compiled; a Content-Security-Policy needs 'wasm-unsafe-eval': ${String(error)}`);
  }
}
