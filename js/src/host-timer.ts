/**
 * The one timer that the core has, and tasks of their own.
 *
 * A hidden tab's timers fire once a second or less; a Worker's do not. Where a page's policy forbids the Worker, the
 * slow timer has to do: the core looks at its due times whenever anything else happens, too.
 */

const CLOCK = 'let t;onmessage=e=>{clearTimeout(t);if(e.data>=0)t=setTimeout(()=>postMessage(0),e.data)}';

export class WakeTimer {
  private at = -1;
  private timer = 0;
  private worker: Worker | null = null;
  /** Of the worker's script. Safari before 17 fetches it some time after the worker was made: the URL has to live on. */
  private script = '';
  private workerFails = false;

  /** `fire` is called once for each time that is armed and comes. */
  constructor(private readonly fire: () => void) {
    document.addEventListener('visibilitychange', this.rearm);
  }

  /** Fires at this time of `performance.now()` instead of any time before; -1 for never. */
  arm(at: number): void {
    this.at = at;
    this.rearm();
  }

  close(): void {
    document.removeEventListener('visibilitychange', this.rearm);
    clearTimeout(this.timer);
    this.at = -1;
    this.endWorker();
  }

  private readonly rearm = (): void => {
    clearTimeout(this.timer);
    this.worker?.postMessage(-1);
    if (this.at < 0) return;
    const delay = Math.max(0, this.at - performance.now());
    const clock = document.hidden ? this.clock() : null;
    if (clock) clock.postMessage(delay);
    else this.timer = setTimeout(this.ring, delay) as unknown as number;
  };

  private readonly ring = (): void => {
    if (this.at < 0) return;
    this.at = -1;
    this.fire();
  };

  private clock(): Worker | null {
    if (this.worker || this.workerFails) return this.worker;
    try {
      this.script = URL.createObjectURL(new Blob([CLOCK], { type: 'text/javascript' }));
      this.worker = new Worker(this.script);
      this.worker.onmessage = this.ring;
      this.worker.onerror = () => {
        this.endWorker();
        this.rearm();
      };
    } catch {
      this.endWorker();
    }
    return this.worker;
  }

  /** No worker any more, and no other one after it. */
  private endWorker(): void {
    this.workerFails = true;
    this.worker?.terminate();
    this.worker = null;
    URL.revokeObjectURL(this.script);
  }
}

/** Runs something in a task of its own, as soon as the browser has one: hidden tabs do not delay these. */
export class Tasks {
  private readonly channel = new MessageChannel();
  private waiting = false;

  constructor(run: () => void) {
    this.channel.port1.onmessage = () => {
      this.waiting = false;
      run();
    };
  }

  /** Asks for one run; asking again before it came changes nothing. */
  soon(): void {
    if (this.waiting) return;
    this.waiting = true;
    this.channel.port2.postMessage(0);
  }

  close(): void {
    this.channel.port1.onmessage = null;
    this.channel.port1.close();
    this.channel.port2.close();
  }
}
