/** What is kept of an attached player from the start; the rest is looked at once there is a core (`follow.ts`). */
import type { Player } from './hls-types.js';

/** A player and what is known of it. */
export interface Attachment {
  player: Player;
  /** URL of its multivariant playlist, after redirects. */
  multivariant?: string | undefined;
  /** Stops telling the core. */
  unfollow?: (() => void) | undefined;
  detach(): void;
}

/** Listens to events of HLS.js; returns what undoes it. */
export function listen(player: Player, event: string, listener: (data: Record<string, unknown>) => void): () => void {
  const wrapped = (_event: string, data: unknown) => listener((data || {}) as Record<string, unknown>);
  player.on(event, wrapped);
  return () => player.off(event, wrapped);
}

/** Listens until the player is destroyed or `detach` is called; then calls `gone`, once. */
export function attachPlayer(player: Player, gone: () => void): Attachment {
  const attachment: Attachment = {
    player,
    multivariant: player.levels?.length ? player.url ?? undefined : undefined,
    detach: () => {
      if (!undo.length) return;
      undo.splice(0).forEach((fn) => fn());
      attachment.unfollow?.();
      gone();
    },
  };
  const undo = [
    listen(player, 'hlsManifestLoaded', ({ url }) => (attachment.multivariant = url as string)),
    listen(player, 'hlsDestroying', attachment.detach),
  ];
  return attachment;
}
