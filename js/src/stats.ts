/** The snapshot that `stats()` returns. All byte counts are whole bytes of media, all counts begin when the page does. */

/** Counters of a page since it loaded. */
export interface MeshStats {
  /** `waiting` for a first segment or consent, `starting`, `on`, or `off` for good (plain HTTP). */
  state: 'waiting' | 'starting' | 'on' | 'off';
  /** Why it is off, or what it waits for; kebab-case. */
  reason?: string;
  /** Loads that ended well, by the way they went. */
  loads: {
    /** Over HTTP, without a core. */
    plain: number;
    /** By the core, from wherever. */
    mesh: number;
    /** Begun by the core, finished over HTTP without it. */
    takeover: number;
  };
  /** Bytes handed to the player, by where they came from. */
  bytes: {
    /** Verified, sent by neighbours. */
    peers: number;
    /** From the origin. */
    http: number;
  };
  /** Counters of the core since it started; null while there is none. */
  mesh: CoreStats | null;
}

/** Counters of one core. */
export interface CoreStats {
  /** Neighbours connected now. */
  peers: number;
  /** `on`, or why nothing is shared now: a reason, or the code of the error that is the cause. */
  sharing: string;
  /** Loads delivered. */
  segments: number;
  /** Bytes that the player got and that neighbours had sent. */
  deliveredPeerBytes: number;
  /** Bytes that the player got and that HTTP had brought. */
  deliveredHttpBytes: number;
  /** Verified bytes received from neighbours, whether the player wanted them or not. */
  peerBytes: number;
  /** Bytes sent to neighbours. */
  uploadedBytes: number;
  /** Bytes over HTTP, by the reason for it. */
  httpBytes: Record<string, number>;
  /** Loads, by the reason for the way they went. */
  reasons: Record<string, number>;
  /** Bytes of segments kept for others now. */
  storedBytes: number;
  /** Verified bytes that were here already. */
  duplicateBytes: number;
  /** Bytes from neighbours that nobody waited for any more. */
  strayBytes: number;
  /** Fragments from neighbours that did not verify, and were dropped. */
  verifyFailures: number;
  /** Lists with a false signature. */
  falseSignatures: number;
  /** Requests that neighbours refused. */
  rejects: number;
  /** Requests given up because a neighbour was slow. */
  slowPeers: number;
  /** Requests given up for a neighbour that would be much faster. */
  hedges: number;
  /** Times that this viewer sent more slowly because its line had become slow. */
  backOffs: number;
  /** Connections that came up. */
  connects: number;
  /** Connections that did not. */
  dialFailures: number;
  /** Segments fetched from the origin on behalf of all, by election. */
  elections: number;
}
