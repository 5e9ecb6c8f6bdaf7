/**
 * Tells a core of an attached player: its buffer, playlists, seeks and stalls. Everything here is optional help for the
 * core's forecasts; loading works without it.
 */
import { listen } from './attach.js';
import type { Attachment } from './attach.js';
import { laneOf } from './identity.js';
import type { Fragment, LevelDetails, Player } from './hls-types.js';
import type { KnownSegment, LaneInfo, LaneKind, MeshPort } from './mesh-port.js';
import { bare } from './url.js';

/** The least time between two reports of an unchanged course of things. */
const BUFFER_EVERY_MS = 500;
const MEDIA_EVENTS = ['timeupdate', 'seeking', 'seeked', 'pause', 'playing', 'ratechange'];

/**
 * Of a playlist, however long: so many segments at its end, and so many before and after the one asked for last. What
 * the core does not look at is neither parsed nor written down.
 */
const NEWEST = 9;
const BEFORE = 1;
const AFTER = 16;
/** As many must still be known after the one that is asked for now. */
const LEFT = 4;

/** Tells what is known already, then what changes, until the returned function is called. */
export function follow(attachment: Attachment, port: MeshPort, originBase?: string): () => void {
  const { player } = attachment;
  const undo: Array<() => void> = [];
  const on = (event: string, listener: (data: Record<string, unknown>) => void) => undo.push(listen(player, event, listener));
  const places = new Map<string, Place>();
  const tell = (kind: LaneKind, details: LevelDetails, place: Place) => {
    const lane = laneOf(details.url, kind, attachment.multivariant, originBase);
    if (lane) tellPlaylist(lane, port, details, place);
  };
  const playlist = (kind: LaneKind) => (data: { details?: unknown }) => {
    const details = data.details as LevelDetails | undefined;
    if (details?.url) tell(kind, details, placeOf(places, kind, details.url));
  };

  player.levels?.forEach(playlist('main'));
  player.audioTracks?.forEach(playlist('audio'));
  player.subtitleTracks?.forEach(playlist('subtitle'));
  on('hlsLevelUpdated', playlist('main'));
  for (const event of ['Loaded', 'Updated']) {
    on(`hlsAudioTrack${event}`, playlist('audio'));
    on(`hlsSubtitleTrack${event}`, playlist('subtitle'));
  }
  on('hlsFragLoading', (data) => {
    const frag = data.frag as Fragment;
    const kind = frag.type as LaneKind;
    const details = detailsOf(player, frag);
    if (!details?.url || typeof frag.sn !== 'number') return;
    const place = placeOf(places, kind, details.url);
    place.asked = frag.sn;
    // A seek, or the way through a long playlist that is not refreshed.
    if (!place.told || frag.sn < place.told[0] || frag.sn + LEFT > place.told[1]) tell(kind, details, place);
  });
  on('hlsError', (data) => data.details === 'bufferStalledError' && port.player({ type: 'stalled' }));

  let media: HTMLMediaElement | null = null;
  let told = 0;
  const buffer = (event?: Event) => {
    const now = performance.now();
    if (!media || (event?.type === 'timeupdate' && now - told < BUFFER_EVERY_MS)) return;
    told = now;
    port.player({ type: 'buffer', aheadMs: aheadMs(media), rate: media.paused ? 0 : media.playbackRate });
  };
  const setMedia = (next: HTMLMediaElement | null) => {
    MEDIA_EVENTS.forEach((name) => media?.removeEventListener(name, buffer));
    media = next;
    MEDIA_EVENTS.forEach((name) => media?.addEventListener(name, buffer));
  };
  on('hlsFragBuffered', () => buffer());
  on('hlsMediaAttached', (data) => setMedia((data.media as HTMLMediaElement) ?? null));
  on('hlsMediaDetaching', () => setMedia(null));
  undo.push(() => setMedia(null));
  setMedia(player.media ?? null);
  return () => undo.splice(0).forEach((fn) => fn());
}

/** Where the player is in a playlist. */
interface Place {
  /** Asked for last. */
  asked?: number;
  /** What the core was told around that. */
  told?: [first: number, last: number];
}

/** By playlist; most players have a handful, some one for each advertisement. */
function placeOf(places: Map<string, Place>, kind: LaneKind, url: string): Place {
  const key = `${kind} ${url.replace(/[?#].*/, '')}`;
  const place = places.get(key) ?? {};
  places.delete(key);
  places.set(key, place);
  if (places.size > 64) places.delete(places.keys().next().value as string);
  return place;
}

function detailsOf(player: Player, { level = -1, type }: Fragment): LevelDetails | undefined {
  const all = type === 'audio' ? player.audioTracks : type === 'subtitle' ? player.subtitleTracks : player.levels;
  return all?.[level]?.details as LevelDetails | undefined;
}

function tellPlaylist(lane: LaneInfo, port: MeshPort, details: LevelDetails, place: Place): void {
  const asked = place.asked ?? -AFTER - 1;
  const isNear = (frag: Fragment | null) => !!frag && typeof frag.sn === 'number' && frag.sn >= asked - BEFORE && frag.sn <= asked + AFTER;
  const { fragments } = details;
  const newest = fragments.slice(-NEWEST);
  const near = fragments.slice(0, -NEWEST).filter(isNear);
  const segments = [...near, ...newest].flatMap((frag) => knownOf(frag, details.url));
  const targetMs = Math.round(details.targetduration * 1000);
  if (place.asked !== undefined) place.told = [asked - BEFORE, newest.some(isNear) ? Infinity : asked + AFTER];
  if (segments.length) port.player({ type: 'playlist', lane: port.lane(lane), targetMs, segments });
}

/** None where a delta playlist leaves a hole until it is merged. */
function knownOf(frag: Fragment | null, playlist: string): KnownSegment[] {
  if (!frag || typeof frag.sn !== 'number' || !frag.relurl) return [];
  const url = bare(frag.relurl, playlist) && new URL(frag.relurl, playlist).href;
  const [start = 0, end] = frag.byteRange ?? [];
  const range: Pick<KnownSegment, 'range'> = end ? { range: [start, end] } : {};
  return url ? [{ msn: frag.sn, url, durationMs: Math.round((frag.duration || 0) * 1000), ...range }] : [];
}

/** Milliseconds that can be played from here without a gap. */
function aheadMs(media: HTMLMediaElement): number {
  const { buffered, currentTime } = media;
  for (let i = 0; i < buffered.length; i++) {
    const end = buffered.end(i);
    // HLS.js jumps gaps of this size by itself.
    if (buffered.start(i) <= currentTime + 0.1 && end > currentTime) return Math.round((end - currentTime) * 1000);
  }
  return 0;
}
