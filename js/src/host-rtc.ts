/**
 * Peer connections, each with its two negotiated channels: 0 for control, 1 for data.
 *
 * Offers, answers and candidates of one connection are applied one after the other, in the order in which the core gave
 * them. The text of a description goes to the core as it is: nothing here reads SDP.
 */

import { mutant } from './mutants.js';

/** What happens to a connection, numbered as in `crates/wasm/src/lib.rs`. */
export const enum PeerEvent {
  Described = 0,
  Candidate = 1,
  Opened = 2,
  Drained = 3,
  Violation = 4,
  Closed = 5,
}

/** What the browser tells of the path to a peer. */
export interface Path {
  local: string;
  remote: string;
  protocol: string;
  rttMs?: number;
}

export interface PeerEvents {
  event(conn: number, event: PeerEvent, text: string): void;
  frames(conn: number, frames: Uint8Array): void;
  data(conn: number, message: Uint8Array): void;
}

interface Peer {
  pc: RTCPeerConnection;
  control: RTCDataChannel;
  data: RTCDataChannel;
  /** The end of the operations begun so far. */
  tail: Promise<void>;
  /** Local candidates found before the description was told; null afterwards. */
  early: string[] | null;
  opened: boolean;
  /** Asked for when it was opened. */
  path?: Promise<Path | undefined>;
  /** Something was sent on the data channel since the core last heard that it drained. */
  sent: boolean;
}

/** A longer message is none of ours; it is not even looked at. */
const MESSAGE_BYTES = 256 * 1024;
/** Frames wait for a neighbour that takes none up to here; then it is given up. */
const UNREAD_BYTES = 1024 * 1024;
/** Room for the longest head beside 64 KiB of media; grows if a core sends more. */
const FRAME_BYTES = 80 * 1024;

/**
 * Content blockers leave stand-ins that throw or do nothing; only a data channel shows the real thing. Looked at on the
 * way to the edge, not before: then consent is given and the policy read. Nothing is gathered.
 */
export function hasWebRtc(): boolean {
  try {
    const pc = new RTCPeerConnection({ iceTransportPolicy: 'relay' });
    const channel = pc.createDataChannel('');
    pc.close();
    return typeof channel.send === 'function';
  } catch {
    return mutant('assume-webrtc');
  }
}

export class Peers {
  private readonly peers = new Map<number, Peer>();
  private frame = new Uint8Array(FRAME_BYTES);

  constructor(private readonly events: PeerEvents) {}

  /** Connections, those being made included. */
  get size(): number {
    return this.peers.size;
  }

  open(conn: number, iceServers: RTCIceServer[], relayOnly: boolean): void {
    this.close(conn);
    const pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: relayOnly ? 'relay' : 'all' });
    const channel = (id: number, label: string, priority: string) =>
      pc.createDataChannel(label, { negotiated: true, id, ordered: true, priority } as RTCDataChannelInit);
    try {
      const control = channel(0, 'control', 'high');
      const data = channel(1, 'data', 'low');
      const peer: Peer = { pc, control, data, tail: Promise.resolve(), early: [], opened: false, sent: false };
      this.listen(conn, peer);
      this.peers.set(conn, peer);
    } catch (error) {
      pc.close();
      throw error;
    }
  }

  offer(conn: number): void {
    this.then(conn, async (peer) => {
      await peer.pc.setLocalDescription(await peer.pc.createOffer());
      this.described(conn, peer);
    });
  }

  answer(conn: number, sdp: string): void {
    this.then(conn, async (peer) => {
      await peer.pc.setRemoteDescription({ type: 'offer', sdp });
      await peer.pc.setLocalDescription(await peer.pc.createAnswer());
      this.described(conn, peer);
    });
  }

  accept(conn: number, sdp: string): void {
    this.then(conn, (peer) => peer.pc.setRemoteDescription({ type: 'answer', sdp }));
  }

  candidate(conn: number, line: string): void {
    // The empty line ends the candidates. Old browsers refuse it, and no browser needs it.
    if (!line) return;
    // One candidate that this browser cannot use does not end the connection.
    this.then(conn, (peer) => peer.pc.addIceCandidate({ candidate: line, sdpMid: null, sdpMLineIndex: 0 }).catch(() => {}));
  }

  send(conn: number, onData: boolean, frames: Uint8Array): void {
    const peer = this.peers.get(conn);
    if (peer) this.write(conn, peer, onData ? peer.data : peer.control, frames);
  }

  /** One message of a head and media bytes, put together in the one reused frame; nothing if `fill` has no bytes. */
  sendMedia(conn: number, head: Uint8Array, length: number, fill: (room: Uint8Array) => boolean): void {
    const peer = this.peers.get(conn);
    if (!peer) return;
    const size = head.length + length;
    if (size > this.frame.length) this.frame = new Uint8Array(size);
    this.frame.set(head);
    if (fill(this.frame.subarray(head.length, size))) this.write(conn, peer, peer.data, this.frame.subarray(0, size));
  }

  lowMark(conn: number, bytes: number): void {
    const peer = this.peers.get(conn);
    if (peer) peer.data.bufferedAmountLowThreshold = bytes;
  }

  /**
   * Connections that took all they were given without passing their mark: for these the browser has no event, and the
   * core would wait for one.
   */
  settle(): void {
    this.peers.forEach((peer, conn) => {
      if (peer.sent && peer.data.bufferedAmount <= peer.data.bufferedAmountLowThreshold) this.drained(conn, peer);
    });
  }

  /** How a peer is reached, where the browser tells. */
  path(conn: number): Promise<Path | undefined> {
    return this.peers.get(conn)?.path ?? Promise.resolve(undefined);
  }

  /** Closes without a word to the core, which asked for it or is gone. */
  close(conn: number): void {
    const peer = this.peers.get(conn);
    if (!peer) return;
    this.peers.delete(conn);
    const { pc, control, data } = peer;
    for (const channel of [control, data]) {
      channel.onopen = channel.onclose = channel.onerror = channel.onmessage = channel.onbufferedamountlow = null;
      quietly(() => channel.close());
    }
    pc.onicecandidate = pc.oniceconnectionstatechange = pc.onconnectionstatechange = pc.ondatachannel = null;
    quietly(() => pc.close());
  }

  closeAll(): void {
    for (const conn of [...this.peers.keys()]) this.close(conn);
  }

  private listen(conn: number, peer: Peer): void {
    const { pc, control, data } = peer;
    const lost = () => this.lost(conn, peer);
    const violation = () => this.events.event(conn, PeerEvent.Violation, '');
    // Both channels are agreed on beforehand: whoever opens another one is none of us.
    pc.ondatachannel = violation;
    for (const channel of [control, data]) {
      // Some browsers begin with Blob, which cannot be read at once.
      channel.binaryType = 'arraybuffer';
      channel.onopen = () => this.channelOpened(conn, peer);
      channel.onclose = channel.onerror = lost;
      channel.onmessage = ({ data: message }: MessageEvent<unknown>) => {
        const fits = message instanceof ArrayBuffer && (message.byteLength <= MESSAGE_BYTES || mutant('no-budgets'));
        if (!fits) return violation();
        const bytes = new Uint8Array(message);
        if (channel === data) this.events.data(conn, bytes);
        else this.events.frames(conn, bytes);
      };
    }
    data.onbufferedamountlow = () => this.drained(conn, peer);
    pc.onicecandidate = ({ candidate }) => this.found(conn, peer, candidate ? candidate.candidate : '');
    // `connectionState` is younger than the oldest browsers served here.
    pc.oniceconnectionstatechange = pc.onconnectionstatechange = () => {
      const ended = (state: string) => state === 'failed' || state === 'closed';
      if (ended(pc.iceConnectionState) || ended(pc.connectionState)) lost();
    };
  }

  private channelOpened(conn: number, peer: Peer): void {
    const both = peer.control.readyState === 'open' && peer.data.readyState === 'open';
    if (!both || peer.opened) return;
    peer.opened = true;
    const { pc } = peer;
    peer.path = Promise.resolve()
      .then(() => pc.getStats())
      .then(pathOf)
      .catch(() => undefined);
    this.events.event(conn, PeerEvent.Opened, '');
  }

  private found(conn: number, peer: Peer, line: string): void {
    if (peer.early) peer.early.push(line);
    else this.events.event(conn, PeerEvent.Candidate, line);
  }

  /** The description goes first, then the candidates that were found while it was made. */
  private described(conn: number, peer: Peer): void {
    if (!this.lives(conn, peer)) return;
    const early = peer.early ?? [];
    peer.early = null;
    this.events.event(conn, PeerEvent.Described, peer.pc.localDescription?.sdp ?? '');
    for (const line of early) if (this.lives(conn, peer)) this.events.event(conn, PeerEvent.Candidate, line);
  }

  private drained(conn: number, peer: Peer): void {
    peer.sent = false;
    this.events.event(conn, PeerEvent.Drained, '');
  }

  private then(conn: number, step: (peer: Peer) => Promise<void>): void {
    const peer = this.peers.get(conn);
    if (!peer) return;
    peer.tail = peer.tail
      .then(() => (this.lives(conn, peer) ? step(peer) : undefined))
      .catch(() => this.lost(conn, peer));
  }

  private write(conn: number, peer: Peer, channel: RTCDataChannel, bytes: Uint8Array): void {
    if (channel === peer.data) peer.sent = true;
    try {
      if (channel === peer.control && channel.bufferedAmount > UNREAD_BYTES) throw new Error('unread');
      channel.send(bytes as Uint8Array<ArrayBuffer>);
    } catch {
      // The channel is closing, or its buffer is full beyond any mark. The core hears of it in a task of its own.
      peer.tail = peer.tail.then(() => this.lost(conn, peer));
    }
  }

  private lost(conn: number, peer: Peer): void {
    if (!this.lives(conn, peer)) return;
    this.close(conn);
    this.events.event(conn, PeerEvent.Closed, '');
  }

  private lives(conn: number, peer: Peer): boolean {
    return this.peers.get(conn) === peer;
  }
}

function pathOf(stats: RTCStatsReport): Path | undefined {
  let pair: (RTCIceCandidatePairStats & { selected?: boolean }) | undefined;
  stats.forEach((entry) => {
    // Firefox marks the pair; others name it, and old ones have one that is nominated.
    if (entry.type === 'candidate-pair' && (entry.selected || (entry.nominated && !pair))) pair = entry;
    if (entry.type === 'transport' && entry.selectedCandidatePairId) pair = stats.get(entry.selectedCandidatePairId) ?? pair;
  });
  const local = pair && stats.get(pair.localCandidateId);
  const remote = pair && stats.get(pair.remoteCandidateId);
  if (!pair || !local || !remote) return undefined;
  const path: Path = { local: local.candidateType, remote: remote.candidateType, protocol: local.protocol };
  if (pair.currentRoundTripTime !== undefined) path.rttMs = Math.round(pair.currentRoundTripTime * 1000);
  return path;
}

/** Does what may throw where a page or a content blocker put something else in a browser object's place. */
export function quietly(step: () => void): void {
  try {
    step();
  } catch {
    // Theirs; there is nothing to close then.
  }
}
