/**
 * The buffers of media bytes, named by number. They live here and not in wasm, whose memory never shrinks.
 *
 * A blob is either made at its full size for a peer's bytes, which are put at offsets, or opened for the body of a GET,
 * which is appended. A body of unknown length gets room piece by piece: what is there is never moved to make more.
 */

interface Kept {
  /** In order; the last one is filled up to `length`. */
  rooms: Uint8Array[];
  /** Bytes that the rooms hold. */
  size: number;
  /** Bytes in use; less than `size` while a body grows. */
  length: number;
}

/** The longest body that is kept: the longest segment a signed list may describe. */
export const BLOB_LIMIT = 64 * 1024 * 1024;
const ROOM = 256 * 1024;

export class Blobs {
  private readonly blobs = new Map<number, Kept>();

  /** A blob of this many bytes, all 0. */
  make(id: number, size: number): void {
    this.adopt(id, new Uint8Array(Math.min(size, BLOB_LIMIT)));
  }

  /** An empty blob that grows. */
  open(id: number): void {
    this.blobs.set(id, { rooms: [], size: 0, length: 0 });
  }

  /** A blob over bytes that nobody else will write. */
  adopt(id: number, bytes: Uint8Array): void {
    this.blobs.set(id, { rooms: [bytes], size: bytes.length, length: bytes.length });
  }

  /** Makes room once, where the length is known. */
  reserve(id: number, size: number): void {
    const blob = this.blobs.get(id);
    if (blob && !blob.size && size > 0 && size <= BLOB_LIMIT) addRoom(blob, size);
  }

  /** Appends; returns where the chunk begins, or -1 if the blob is gone or would be too long. */
  append(id: number, chunk: Uint8Array): number {
    const blob = this.blobs.get(id);
    if (!blob) return -1;
    const at = blob.length;
    const end = at + chunk.length;
    if (end > BLOB_LIMIT) return -1;
    if (end > blob.size) addRoom(blob, Math.max(end - blob.size, ROOM));
    blob.length = end;
    pieces(blob, at, chunk.length, (room, from) => room.set(chunk.length === room.length ? chunk : chunk.subarray(from, from + room.length)));
    return at;
  }

  /** The body is complete: room that was not needed is given back. */
  seal(id: number): number {
    const blob = this.blobs.get(id);
    if (!blob) return 0;
    const last = blob.rooms.length - 1;
    const spare = blob.size - blob.length;
    const room = blob.rooms[last];
    if (room && spare > 0) {
      blob.rooms[last] = room.slice(0, room.length - spare);
      blob.size = blob.length;
    }
    return blob.length;
  }

  put(id: number, at: number, bytes: Uint8Array): void {
    const blob = this.blobs.get(id);
    if (blob && at + bytes.length <= blob.length) pieces(blob, at, bytes.length, (room, from) => room.set(bytes.subarray(from, from + room.length)));
  }

  /** Copies these bytes to the start of `to`; false if the blob does not have them all. */
  read(id: number, at: number, length: number, to: Uint8Array): boolean {
    const blob = this.blobs.get(id);
    if (!blob || at + length > blob.length) return false;
    pieces(blob, at, length, (room, from) => to.set(room, from));
    return true;
  }

  /** A fresh buffer of all parts (blob, first byte, length; and so on), in order; undefined if one is missing. */
  join(parts: Uint32Array): ArrayBuffer | undefined {
    let size = 0;
    for (let i = 2; i < parts.length; i += 3) size += parts[i] as number;
    const whole = new Uint8Array(size);
    let at = 0;
    for (let i = 0; i + 2 < parts.length; i += 3) {
      const [blob, from, length] = parts.subarray(i, i + 3) as unknown as [number, number, number];
      if (!this.read(blob, from, length, whole.subarray(at))) return undefined;
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

function addRoom(blob: Kept, size: number): void {
  blob.rooms.push(new Uint8Array(size));
  blob.size += size;
}

/** The `length` bytes from `at` on, room by room; `from` counts from 0 at `at`. */
function pieces(blob: Kept, at: number, length: number, each: (room: Uint8Array, from: number) => void): void {
  let start = 0;
  for (const room of blob.rooms) {
    const first = Math.max(at, start);
    const end = Math.min(at + length, start + room.length);
    if (first < end) each(room.subarray(first - start, end - start), first - at);
    start += room.length;
  }
}
