/**
 * Tells a core of an attached player: its buffer, playlists, seeks and stalls. Everything here is optional help for the
 * core's forecasts; loading works without it.
 */
import { listen } from './attach.js';
import type { Attachment } from './attach.js';
import { laneOf } from './identity.js';
import type { LevelDetails } from './hls-types.js';
import type { LaneKind, MeshPort } from './mesh-port.js';
import { bare } from './url.js';

/** The least time between two reports of an unchanged course of things. */
const BUFFER_EVERY_MS = 500;
const MEDIA_EVENTS = ['timeupdate', 'seeking', 'seeked', 'pause', 'playing', 'ratechange'];

/** Tells what is known already, then what changes, until the returned function is called. */
export function follow(attachment: Attachment, port: MeshPort): () => void {
  const { player } = attachment;
  const undo: Array<() => void> = [];
  const on = (event: string, listener: (data: Record<string, unknown>) => void) => undo.push(listen(player, event, listener));
  const playlist = (kind: LaneKind) => (data: { details?: unknown }) => tellPlaylist(attachment, port, kind, data.details as LevelDetails);

  player.levels?.forEach(playlist('main'));
  player.audioTracks?.forEach(playlist('audio'));
  player.subtitleTracks?.forEach(playlist('subtitle'));
  on('hlsLevelUpdated', playlist('main'));
  for (const event of ['Loaded', 'Updated']) {
    on(`hlsAudioTrack${event}`, playlist('audio'));
    on(`hlsSubtitleTrack${event}`, playlist('subtitle'));
  }
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

function tellPlaylist(attachment: Attachment, port: MeshPort, kind: LaneKind, details: LevelDetails | undefined): void {
  const lane = details?.url && laneOf(details.url, kind, attachment.multivariant);
  if (!details || !lane) return;
  const segments = [];
  for (const frag of details.fragments) {
    // Delta playlists leave holes until they are merged.
    if (!frag || typeof frag.sn !== 'number' || !frag.relurl) continue;
    const url = bare(frag.relurl, details.url) && new URL(frag.relurl, details.url).href;
    if (url) segments.push({ msn: frag.sn, url, durationMs: Math.round((frag.duration || 0) * 1000) });
  }
  const targetMs = Math.round(details.targetduration * 1000);
  if (segments.length) port.player({ type: 'playlist', lane: port.lane(lane), targetMs, segments });
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
