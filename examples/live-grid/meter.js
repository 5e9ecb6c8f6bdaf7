// Measures playback from outside: it knows only the video element and the clock.
//
// Startup counts from the navigation of this page to the first frame, so that whatever a loader costs is in it.
// A stall is a playhead that stands for more than 250 ms while it should move: started, not paused, not ended.
// A sample that comes late (a busy main thread) is no stall as long as the playhead moved by as much as the clock.

const STALL_MS = 250;
const SAMPLE_MS = 50;

export class PlayMeter {
  #video;
  #timer;
  #firstFrameAt = null;
  #pausedMs = 0;
  #last = null; // {at, time}: the last sample at which the playhead had moved
  #sampledAt = null;
  #stalls = []; // {from, ms}, `from` in Unix milliseconds

  constructor(video) {
    this.#video = video;
    const started = () => { this.#firstFrameAt ??= performance.now(); };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(started);
    else video.addEventListener('playing', started, { once: true });
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  get started() { return this.#firstFrameAt !== null; }

  /** Milliseconds since the first frame, pauses not counted. */
  get wallMs() { return this.started ? performance.now() - this.#firstFrameAt - this.#pausedMs : 0; }

  /** Seconds of media that were really shown; jumps do not count. */
  get playedSeconds() {
    const ranges = this.#video.played;
    let sum = 0;
    for (let i = 0; i < ranges.length; i += 1) sum += ranges.end(i) - ranges.start(i);
    return sum;
  }

  get stalledNow() { return this.#standingMs() > STALL_MS; }

  report() {
    const stalls = [...this.#stalls];
    if (this.stalledNow) stalls.push(stallOf(this.#last.at, this.#standingMs()));
    return {
      startupMs: this.#firstFrameAt,
      playedSeconds: this.playedSeconds,
      wallSeconds: this.wallMs / 1000,
      stalls: { count: stalls.length, ms: stalls.reduce((sum, s) => sum + s.ms, 0), each: stalls },
    };
  }

  stop() { clearInterval(this.#timer); }

  #shouldMove() { return this.started && !this.#video.paused && !this.#video.ended; }

  #standingMs() { return this.#shouldMove() && this.#last ? this.#sampledAt - this.#last.at : 0; }

  #sample() {
    const now = performance.now();
    const time = this.#video.currentTime;
    if (!this.#shouldMove()) {
      if (this.started && this.#sampledAt !== null) this.#pausedMs += now - this.#sampledAt;
      this.#last = null;
    } else if (!this.#last) {
      this.#last = { at: now, time };
    } else if (time !== this.#last.time) {
      this.#moved(now, time);
    }
    this.#sampledAt = now;
  }

  #moved(now, time) {
    const mediaMs = ((time - this.#last.time) * 1000) / (this.#video.playbackRate || 1);
    // A jump (hls.js skipping a hole, or a seek) does not make good the time that was spent standing.
    const aStep = mediaMs > 0 && mediaMs < now - this.#last.at + STALL_MS;
    const stoodMs = now - this.#last.at - (aStep ? mediaMs : SAMPLE_MS);
    if (stoodMs > STALL_MS) this.#stalls.push(stallOf(this.#last.at, stoodMs));
    this.#last = { at: now, time };
  }
}

// Pages share the wall clock, but not the origin of performance.now().
function stallOf(at, ms) {
  return { from: performance.timeOrigin + at, ms };
}
