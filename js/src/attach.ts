/**
 * Listens to a player: buffer, playlists, seeks, stalls, its end. Everything here is optional help for the core's
 * forecasts; loading works without it.
 */
import { laneOf } from './identity.js';
import type { LevelDetails, Player } from './hls-types.js';
import type { LaneInfo, LaneKind, PlayerReport } from './mesh-port.js';
import type { Attachment } from './page.js';
import { bare } from './url.js';

/** Where reports go. */
export interface ReportSink {
  report(event: PlayerReport): void;
  /** A first frame can be seen. */
  shown(): void;
  playlist(lane: LaneInfo, targetMs: number, segments: Array<{ msn: number; url: string; durationMs: number }>): void;
}

/** The least time between two reports of an unchanged course of things. */
const BUFFER_EVERY_MS = 500;
const MEDIA_EVENTS = ['timeupdate', 'seeking', 'seeked', 'pause', 'playing', 'ratechange'];

/** Listens until the player is destroyed or `detach` is called; then calls `gone`, once. */
export function attachPlayer(player: Player, sink: ReportSink, gone: () => void): Attachment {
  const undo: Array<() => void> = [];
  const attachment: Attachment = {
    player,
    multivariant: player.levels?.length ? player.url ?? undefined : undefined,
    live: new Map(),
    detach: () => {
      if (!undo.length) return;
      undo.splice(0).forEach((fn) => fn());
      gone();
    },
  };
  const on = (event: string, listener: (data: Record<string, unknown>) => void) => {
    const wrapped = (_event: string, data: unknown) => listener((data || {}) as Record<string, unknown>);
    player.on(event, wrapped);
    undo.push(() => player.off(event, wrapped));
  };
  const playlist = (kind: LaneKind) => (data: Record<string, unknown>) => tellPlaylist(attachment, sink, kind, data.details as LevelDetails);

  on('hlsManifestLoaded', (data) => (attachment.multivariant = data.url as string));
  on('hlsLevelUpdated', playlist('main'));
  for (const event of ['Loaded', 'Updated']) {
    on(`hlsAudioTrack${event}`, playlist('audio'));
    on(`hlsSubtitleTrack${event}`, playlist('subtitle'));
  }
  on('hlsError', (data) => data.details === 'bufferStalledError' && sink.report({ type: 'stalled' }));

  let media: HTMLMediaElement | null = null;
  let told = 0;
  const buffer = (event?: Event) => {
    const now = performance.now();
    if (!media || (event?.type === 'timeupdate' && now - told < BUFFER_EVERY_MS)) return;
    told = now;
    sink.report({ type: 'buffer', aheadMs: aheadMs(media), rate: media.paused ? 0 : media.playbackRate });
  };
  const shown = () => sink.shown();
  const setMedia = (next: HTMLMediaElement | null) => {
    MEDIA_EVENTS.forEach((name) => media?.removeEventListener(name, buffer));
    media?.removeEventListener('loadeddata', shown);
    media = next;
    MEDIA_EVENTS.forEach((name) => media?.addEventListener(name, buffer));
    media?.addEventListener('loadeddata', shown);
  };
  on('hlsFragBuffered', () => buffer());
  on('hlsMediaAttached', (data) => setMedia((data.media as HTMLMediaElement) ?? null));
  on('hlsMediaDetaching', () => setMedia(null));
  on('hlsDestroying', attachment.detach);
  undo.push(() => setMedia(null));
  setMedia(player.media ?? null);
  return attachment;
}

function tellPlaylist(attachment: Attachment, sink: ReportSink, kind: LaneKind, details: LevelDetails | undefined): void {
  const lane = details?.url && laneOf(details.url, kind, attachment.multivariant);
  if (!details || !lane) return;
  attachment.live.set(lane.playlist, details.live);
  const segments = [];
  for (const frag of details.fragments) {
    // Delta playlists leave holes until they are merged.
    if (!frag || typeof frag.sn !== 'number' || !frag.relurl) continue;
    const url = bare(frag.relurl, details.url) && new URL(frag.relurl, details.url).href;
    if (url) segments.push({ msn: frag.sn, url, durationMs: Math.round((frag.duration || 0) * 1000) });
  }
  if (segments.length) sink.playlist(lane, Math.round(details.targetduration * 1000), segments);
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
