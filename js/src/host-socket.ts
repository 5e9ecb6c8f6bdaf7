/** The edge socket: text messages, and one word at its end. */
import { mutant } from './mutants.js';

/** What happens to it, numbered as in `crates/wasm/src/lib.rs`. */
export const enum SocketEvent {
  Opened = 0,
  Text = 1,
  Closed = 2,
}

/** No edge has to say more at once; what is longer would only fill the core's memory, which never shrinks. */
const TEXT_LENGTH = 96 * 1024;

export class EdgeSocket {
  private socket: WebSocket | null = null;

  constructor(private readonly event: (event: SocketEvent, text: string) => void) {}

  /** Opens a socket at this URL; one that is open is closed without a word. */
  connect(url: string): void {
    this.close();
    try {
      this.listen((this.socket = new WebSocket(url)));
    } catch {
      // A page that may not open it.
      this.refuse();
    }
  }

  /** There is no way to the edge. As any failure, it is told later, not from inside this call. */
  refuse(): void {
    setTimeout(() => this.event(SocketEvent.Closed, ''));
  }

  say(text: string): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  close(): void {
    const { socket } = this;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private listen(socket: WebSocket): void {
    socket.onopen = () => this.event(SocketEvent.Opened, '');
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string' && (data.length <= TEXT_LENGTH || mutant('no-budgets'))) return this.event(SocketEvent.Text, data);
      // Neither binary nor endless messages are an edge's: it is left, as if it had closed.
      this.close();
      return this.event(SocketEvent.Closed, '');
    };
    // An error is always followed by a close.
    socket.onclose = () => {
      if (this.socket === socket) this.socket = null;
      this.event(SocketEvent.Closed, '');
    };
  }
}
