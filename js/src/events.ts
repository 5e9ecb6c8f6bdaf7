/** What the SDK tells the page. */

/** One finished load, as the player received it. */
export interface SegmentEvent {
  /** `main`, `audio` or `subtitle`. */
  type: string;
  sn: number | 'initSegment';
  /** Part index, for LL-HLS parts. */
  part?: number;
  url: string;
  bytes: number;
  /** Of these, sent by peers. */
  fromPeers: number;
  fromHttp: number;
  /** Time from the request to the last byte, milliseconds. */
  ms: number;
  /** How the load ended: over plain HTTP, by the mesh, or taken over from a mesh that did not answer in time. */
  way: 'plain' | 'mesh' | 'takeover';
  /** Kebab-case reason. */
  reason: string;
}

/** Events of a {@link MeshedFlowLoader}. */
export interface MeshedFlowEvents {
  /** A segment, part or init segment was handed to the player. */
  segment: SegmentEvent;
  /** A neighbour came (`up`) or went; `count` neighbours now. */
  peer: { peer: string; up: boolean; count: number };
  /** A load goes over HTTP, and why. */
  fallback: { reason: string };
  /** Peer-to-peer is on or off, and why. */
  sharing: { on: boolean; reason: string };
  /** Something worth a console line. */
  warn: { code: string; text: string };
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
