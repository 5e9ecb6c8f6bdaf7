/**
 * The buffers of media bytes, named by number. They live here and not in wasm, whose memory never shrinks.
 *
 * A blob is either made at its full size for a peer's bytes, which are put at offsets, or opened for the body of a GET,
 * which is appended and may grow.
 */

interface Kept {
  bytes: Uint8Array;
  /** Bytes in use; less than `bytes.length` while a body grows. */
  length: number;
}

/** The longest body that is kept: the longest segment a signed list may describe. */
export const BLOB_LIMIT = 64 * 1024 * 1024;
const FIRST_ROOM = 64 * 1024;

export class Blobs {
  private readonly blobs = new Map<number, Kept>();

  /** A blob of this many bytes, all 0. */
  make(id: number, size: number): void {
    this.blobs.set(id, { bytes: new Uint8Array(Math.min(size, BLOB_LIMIT)), length: Math.min(size, BLOB_LIMIT) });
  }

  /** An empty blob that grows. */
  open(id: number): void {
    this.blobs.set(id, { bytes: new Uint8Array(0), length: 0 });
  }

  /** A blob over bytes that nobody else will write. */
  adopt(id: number, bytes: Uint8Array): void {
    this.blobs.set(id, { bytes, length: bytes.length });
  }

  /** Makes room once, where the length is known. */
  reserve(id: number, size: number): void {
    const blob = this.blobs.get(id);
    if (blob && size > blob.bytes.length && size <= BLOB_LIMIT) resize(blob, size);
  }

  /** Appends; returns where the chunk begins, or -1 if the blob is gone or would be too long. */
  append(id: number, chunk: Uint8Array): number {
    const blob = this.blobs.get(id);
    if (!blob) return -1;
    const at = blob.length;
    const end = at + chunk.length;
    if (end > BLOB_LIMIT) return -1;
    if (end > blob.bytes.length) resize(blob, Math.min(Math.max(end, 2 * blob.bytes.length, FIRST_ROOM), BLOB_LIMIT));
    blob.bytes.set(chunk, at);
    blob.length = end;
    return at;
  }

  /** The body is complete: room that was not needed is given back. */
  seal(id: number): number {
    const blob = this.blobs.get(id);
    if (!blob) return 0;
    if (blob.bytes.length > blob.length) blob.bytes = blob.bytes.slice(0, blob.length);
    return blob.length;
  }

  put(id: number, at: number, bytes: Uint8Array): void {
    const blob = this.blobs.get(id);
    if (blob && at + bytes.length <= blob.length) blob.bytes.set(bytes, at);
  }

  /** A view of these bytes; undefined if the blob does not have them all. */
  view(id: number, at: number, length: number): Uint8Array | undefined {
    const blob = this.blobs.get(id);
    return blob && at + length <= blob.length ? blob.bytes.subarray(at, at + length) : undefined;
  }

  /** A fresh buffer of all parts (blob, first byte, length; and so on), in order; undefined if one is missing. */
  join(parts: Uint32Array): ArrayBuffer | undefined {
    let size = 0;
    for (let i = 2; i < parts.length; i += 3) size += parts[i] as number;
    const whole = new Uint8Array(size);
    let at = 0;
    for (let i = 0; i + 2 < parts.length; i += 3) {
      const [blob, from, length] = parts.subarray(i, i + 3) as unknown as [number, number, number];
      const view = this.view(blob, from, length);
      if (!view) return undefined;
      whole.set(view, at);
      at += length;
    }
    return whole.buffer;
  }

  free(id: number): void {
    this.blobs.delete(id);
  }

  clear(): void {
    this.blobs.clear();
  }
}

function resize(blob: Kept, size: number): void {
  const bytes = new Uint8Array(size);
  bytes.set(blob.bytes.subarray(0, blob.length));
  blob.bytes = bytes;
}
