/** What the SDK tells the page. */
import type { ErrorCode } from './errors.js';
import type { MeshStats } from './stats.js';

/** Which of the player's requests an event is about. */
export interface SegmentName {
  /** `main`, `audio` or `subtitle`. */
  type: string;
  /** Media sequence number, or `'initSegment'`. */
  sn: number | 'initSegment';
  /** Part index, for LL-HLS parts. */
  part?: number;
  /** URL that the player asked for. */
  url: string;
}

/** One finished load, as the player received it. */
export interface SegmentEvent extends SegmentName {
  bytes: number;
  /** Of these, sent by peers. */
  fromPeers: number;
  /** Of these, from the origin. */
  fromHttp: number;
  /** Time from the request to the last byte, milliseconds. */
  ms: number;
  /** How the load ended: over plain HTTP, by the mesh, or taken over from a mesh that did not answer in time. */
  way: 'plain' | 'mesh' | 'takeover';
  /** Kebab-case reason. */
  reason: string;
}

/** A load that the mesh had begun goes over HTTP, at least from here on. */
export interface FallbackEvent extends SegmentName {
  /** Kebab-case reason. */
  reason: string;
}

/** How two viewers reach each other. `host`: same network, `srflx` and `prflx`: through NATs, `relay`: through TURN. */
export interface Transport {
  local: 'host' | 'srflx' | 'prflx' | 'relay';
  remote: 'host' | 'srflx' | 'prflx' | 'relay';
  protocol: string;
  /** Round trip at the time the connection came up, milliseconds. */
  rttMs?: number;
}

/** A neighbour came or went. */
export interface PeerEvent {
  /** Its id, given by the edge for this session. */
  peer: string;
  /** Came (true) or went. */
  up: boolean;
  /** Neighbours now. */
  count: number;
  /** How it is reached, where the browser tells. */
  transport?: Transport;
}

/** Something that the page's developer may want to act on. Playback goes on over HTTP whatever it is. */
export interface ErrorEvent {
  /** See the table in the README, rendered from `errors.ts`. */
  code: ErrorCode;
  /** One line: what, where, and what was expected. */
  message: string;
  /** As in HLS.js: whether playback cannot go on by itself. No error of the mesh ends playback. */
  fatal: false;
  /** Present when there is no mesh any more for this stream, until the page is reloaded: all goes over HTTP. */
  ends?: 'mesh';
}

/** Events of a {@link MeshedFlowLoader}. */
export interface MeshedFlowEvents {
  /** A neighbour came or went. */
  peer: PeerEvent;
  /** A segment, part or init segment was handed to the player. */
  segment: SegmentEvent;
  /** A load of the mesh goes over HTTP, and why. */
  fallback: FallbackEvent;
  /** A snapshot, every two seconds. */
  stats: MeshStats;
  /** One for each line that the SDK writes to the console. */
  error: ErrorEvent;
  /** Something can be shared, or nothing; `reason` is that of the statistics. */
  sharing: { on: boolean; reason: string };
}

export type EventName = keyof MeshedFlowEvents;
export type Listener<E extends EventName> = (detail: MeshedFlowEvents[E]) => void;

/** Listeners by event. A listener that throws does so in a task of its own, never inside a load. */
export class Emitter {
  private readonly listeners = new Map<string, Set<(detail: never) => void>>();

  on<E extends EventName>(event: E, listener: Listener<E>): () => void {
    const set = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, set.add(listener));
    return () => void set.delete(listener);
  }

  /** Does anybody listen? */
  hears(event: EventName): boolean {
    return !!this.listeners.get(event)?.size;
  }

  emit(event: string, detail: unknown): void {
    this.listeners.get(event)?.forEach((listener) => {
      try {
        listener(detail as never);
      } catch (error) {
        setTimeout(() => {
          throw error;
        }, 0);
      }
    });
  }

  clear(): void {
    this.listeners.clear();
  }
}
