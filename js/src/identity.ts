/**
 * Names that are the same on every machine: what a viewer computes here must equal what the signer wrote into its lists.
 *
 * All parsing is WHATWG URL parsing; nothing is decoded and no case is folded. Queries and fragments never count:
 * tokens rotate, CMCD rewrites them per request.
 */
import type { LaneInfo, LaneKind } from './mesh-port.js';
import { bare } from './url.js';

/**
 * Name of a resource, seen from a document: its path relative to the document's directory with `../`; for another
 * origin `//` and the whole path.
 */
export function nameOf(from: URL, resource: URL): string {
  if (resource.origin !== from.origin) return `//${resource.pathname}`;
  const directory = from.pathname.split('/').slice(0, -1);
  const path = resource.pathname.split('/');
  let shared = 0;
  while (shared < directory.length && shared < path.length - 1 && directory[shared] === path[shared]) shared++;
  return '../'.repeat(directory.length - shared) + path.slice(shared).join('/');
}

/** Where the rolling list (live) or index (VOD) of a media playlist is expected. */
export function listUrlOf(playlist: URL): string {
  const url = new URL(playlist.href);
  const path = url.pathname;
  const slash = path.lastIndexOf('/') + 1;
  const file = path.slice(slash);
  const dot = file.lastIndexOf('.');
  url.pathname = `${path.slice(0, slash)}${dot > 0 ? file.slice(0, dot) : file}.mfi.json`;
  url.search = url.hash = '';
  return url.href;
}

/** Rendition of a media playlist: its name seen from the multivariant playlist, `main` if it is that playlist. */
export function renditionOf(multivariant: URL, playlist: URL): string {
  return multivariant.href === playlist.href ? 'main' : nameOf(multivariant, playlist);
}

/**
 * What lists can say of a path: itself, if it is a name; otherwise the end of it, `~` for what no name holds, and a hash
 * (FNV-0, 32 bits) of the whole.
 */
function asName(path: string): string {
  let hash = 0;
  for (const char of path) hash = Math.imul(hash ^ char.charCodeAt(0), 0x1000193);
  return /^[\w.~/-]{1,128}$/.test(path) ? path : `${path.replace(/[^\w./-]+/g, '~').slice(-99)}~${(hash >>> 0).toString(16)}`;
}

/**
 * Describes a lane. `multivariant` is the playlist an attached player loaded; `originBase` a directory known from the
 * options, which counts only when the playlist lies below it. A player that loaded a media playlist and nothing else
 * does not know a name for it: it may be the only one of its stream, or a rendition that is played on its own.
 */
export function laneOf(playlistUrl: string, kind: LaneKind, multivariant?: string, originBase?: string): LaneInfo | undefined {
  const playlist = bare(playlistUrl);
  if (!playlist) return undefined;
  const lane: LaneInfo = { playlist: playlist.href, origin: playlist.origin, listUrl: listUrlOf(playlist), kind };
  const master = multivariant && bare(multivariant);
  const alone = !master || master.href === playlist.href;
  const rendition = alone ? below(originBase, playlist) : renditionOf(master, playlist);
  // Without one the core reads it from the list.
  if (rendition) {
    lane.rendition = asName(rendition);
    if (alone) lane.alone = alone;
  }
  return lane;
}

/** A bare origin says nothing about where the multivariant playlist lies, so only a directory gives a rendition. */
function below(originBase: string | undefined, playlist: URL): string | undefined {
  const base = originBase && bare(originBase);
  if (!base || base.pathname === '/' || !base.pathname.endsWith('/')) return undefined;
  return playlist.href.startsWith(base.href) ? nameOf(base, playlist) : undefined;
}
