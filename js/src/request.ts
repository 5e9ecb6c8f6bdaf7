/** HLS.js's loader contexts, in the words of the core. */
import { laneOf, nameOf } from './identity.js';
import type { Fragment, LoaderContext, Player, Segment } from './hls-types.js';
import type { LaneInfo, LaneKind, MeshRequest, RequestRecipe } from './mesh-port.js';
import { bare } from './url.js';

/** What an attached player adds to a request; nothing without one. */
export interface PlayerFacts {
  /** URL of the multivariant playlist. */
  multivariant?: string | undefined;
  live?: boolean | undefined;
  player?: Player | undefined;
}

/** A request whose lane has no number yet. */
export interface Described {
  lane: LaneInfo;
  request: Omit<MeshRequest, 'lane'>;
  /** The attached player that asks. */
  player?: Player | undefined;
  /** How it was asked for: the core's own requests in the lane are made the same way. */
  recipe?: RequestRecipe;
  /** Of a body that HTTP brought: milliseconds to its first byte, and from there to the last. */
  took?: [ttfbMs: number, bodyMs: number];
}

/** The URL of the media playlist that named a segment. */
export function playlistOf(segment: Segment): string | undefined {
  return segment.baseurl ?? segment.base?.url;
}

/** Undefined when the request cannot be named; such a load stays plain and is never shared. */
export function describe(
  context: LoaderContext & { frag: Fragment },
  originBase: string | undefined,
  facts: PlayerFacts,
): Described | undefined {
  const { frag, part } = context;
  const segment: Segment = part || frag;
  const playlistUrl = playlistOf(segment) ?? playlistOf(frag);
  const lane = playlistUrl && laneOf(playlistUrl, kindOf(frag), facts.multivariant, originBase);
  if (!lane) return undefined;
  const playlist = new URL(lane.playlist);
  const name = segmentName(segment, playlist, context.url);
  if (name === undefined) return undefined;
  const init = frag.initSegment && initName(frag.initSegment, playlist);
  const { rangeStart, rangeEnd } = context;
  const isInit = frag.sn === 'initSegment';
  const request: Described['request'] = {
    url: context.url,
    name,
    kind: isInit ? 'init' : part ? 'part' : 'media',
    msn: isInit ? 0 : Number(frag.sn),
    discontinuity: frag.cc || 0,
    durationMs: isInit ? 0 : Math.round((frag.duration || 0) * 1000),
    httpOnly: isInit || !!frag.bitrateTest,
    // Without an attached player nothing here tells live from VOD; the signed list does.
    live: facts.live ?? true,
  };
  if (part) request.part = part.index;
  if (rangeEnd) request.range = [rangeStart || 0, rangeEnd];
  if (init) request.init = init;
  return { lane, request, player: facts.player };
}

function kindOf(frag: Fragment): LaneKind {
  return frag.type === 'audio' || frag.type === 'subtitle' ? frag.type : 'main';
}

/** By the URI in the playlist; the request's URL may carry another host (steering) or query (CMCD). */
function segmentName(segment: Segment, playlist: URL, url?: string | null): string | undefined {
  const resource = (segment.relurl && bare(segment.relurl, playlist.href)) || (url && bare(url)) || undefined;
  return resource && nameOf(playlist, resource);
}

function initName(init: Segment, playlist: URL): string | undefined {
  const name = segmentName(init, playlist, init.url);
  const [start, end] = init.byteRange ?? [];
  return name && end ? `${name}@${start}-${end}` : name;
}
