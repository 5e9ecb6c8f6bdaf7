// Tells a player that has nothing to play from one whose browser does not get to playing it: several viewers on a small
// machine drop behind with seconds of data in hand, and no loader can help that.

const SAMPLE_MS = 50;
const ENOUGH_S = 0.5;
const BLIND_MS = 1000;
const KEPT = 2000; // samples

export class Hunger {
  /** Unix milliseconds of the samples without enough to play on. */
  hungry = [];
  /** Seconds by which the playhead fell behind the clock with enough to play. */
  heldUpSeconds = 0;

  constructor(video) {
    this.video = video;
    this.last = null;
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  stop() { clearInterval(this.timer); }

  sample() {
    const { video, last } = this;
    if (video.paused || !video.currentTime) { this.last = null; return; }
    const now = { at: performance.now(), time: video.currentTime, fed: this.ahead() >= ENOUGH_S };
    // Who did not get to look for so long cannot tell.
    if (!now.fed || (last && now.at - last.at > BLIND_MS)) this.note(now.at);
    // A jump forward is no time played.
    if (last && last.fed && now.fed && now.time - last.time < 1) this.heldUpSeconds += (now.at - last.at) / 1000 - (now.time - last.time);
    this.last = now;
  }

  note(at) {
    this.hungry.push(Math.round(performance.timeOrigin + at));
    if (this.hungry.length > KEPT) this.hungry.shift();
  }

  ahead() {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) > currentTime) return buffered.end(i) - currentTime;
    }
    return 0;
  }
}
